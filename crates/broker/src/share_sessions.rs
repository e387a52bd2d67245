//! Sessions of share consumers (KIP-932): which partitions a member of a share group fetches.
//!
//! A member has one session with a broker, under its group and id. Its first request has epoch 0,
//! each next one the next epoch, the last one -1. Pure. Must hold: sessions and their partitions
//! are bounded; a session ends with its connection, so that what it has locked is free again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, TopicId};

/// Ends the session.
pub(crate) const FINAL_EPOCH: i32 = -1;
/// Begins a session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// More partitions than any assignment has.
const PARTITIONS_MAX: usize = 10_000;

/// A member of a share group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) group: StrBytes,
    pub(crate) member: StrBytes,
}

impl Who {
    /// Who asks; holds no slice of the frame.
    pub(crate) fn copied(group: &str, member: &str) -> Who {
        Who { group: StrBytes::copied(group), member: StrBytes::copied(member) }
    }
}

/// A partition by its topic's id.
pub(crate) type Place = (TopicId, PartitionIndex);

struct Session {
    epoch: i32,
    connection: u64,
    places: BTreeSet<Place>,
}

/// All share sessions of a broker.
pub(crate) struct ShareSessions {
    slots: usize,
    sessions: Mutex<BTreeMap<Who, Session>>,
}

impl ShareSessions {
    /// Room for `slots` sessions (`group.share.max.share.sessions`).
    pub(crate) fn new(slots: usize) -> Self {
        ShareSessions { slots, sessions: Mutex::default() }
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.sessions().len()
    }

    /// How many partitions are in them.
    pub(crate) fn places_count(&self) -> usize {
        self.sessions().values().map(|session| session.places.len()).sum()
    }

    /// What to fetch for a ShareFetch, in the order in which it is read; nothing for one that ends
    /// the session.
    ///
    /// # Errors
    /// The session is unknown, the request is not the next one in it, or no other fits.
    pub(crate) fn fetch(
        &self,
        who: &Who,
        connection: u64,
        epoch: i32,
        added: &[Place],
        forgotten: &[Place],
    ) -> Result<Vec<Place>, ErrorCode> {
        let mut sessions = self.sessions();
        match epoch {
            FINAL_EPOCH if sessions.contains_key(who) => Ok(Vec::new()),
            FINAL_EPOCH => Err(ErrorCode::SHARE_SESSION_NOT_FOUND),
            INITIAL_EPOCH => {
                if sessions.len() >= self.slots && !sessions.contains_key(who) {
                    return Err(ErrorCode::SHARE_SESSION_LIMIT_REACHED);
                }
                let mut session = Session { epoch: 1, connection, places: BTreeSet::new() };
                session.want(added);
                let plan = session.plan();
                sessions.insert(who.clone(), session);
                Ok(plan)
            }
            epoch => {
                let session = Self::next(&mut sessions, who, epoch)?;
                session.want(added);
                for place in forgotten {
                    session.places.remove(place);
                }
                Ok(session.plan())
            }
        }
    }

    /// Takes note of a ShareAcknowledge.
    ///
    /// # Errors
    /// The session is unknown, or the request is not the next one in it.
    pub(crate) fn acknowledge(&self, who: &Who, epoch: i32) -> Result<(), ErrorCode> {
        let mut sessions = self.sessions();
        match epoch {
            INITIAL_EPOCH => Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH),
            FINAL_EPOCH if sessions.contains_key(who) => Ok(()),
            FINAL_EPOCH => Err(ErrorCode::SHARE_SESSION_NOT_FOUND),
            epoch => Self::next(&mut sessions, who, epoch).map(|_| ()),
        }
    }

    /// A member has ended its session. Answers whose sessions are gone with it.
    pub(crate) fn end(&self, who: &Who) -> Vec<Who> {
        self.remove(|known, _| known == who)
    }

    /// A connection is gone, and with it the sessions that were begun on it: those of the members
    /// that are answered.
    pub(crate) fn disconnected(&self, connection: u64) -> Vec<Who> {
        self.remove(|_, session| session.connection == connection)
    }

    /// Whether nobody of the group has a session.
    pub(crate) fn is_without(&self, group: &StrBytes) -> bool {
        let first = Who { group: group.clone(), member: StrBytes::default() };
        let sessions = self.sessions();
        sessions.range(first..).next().is_none_or(|(who, _)| who.group != *group)
    }

    fn next<'a>(
        sessions: &'a mut BTreeMap<Who, Session>,
        who: &Who,
        epoch: i32,
    ) -> Result<&'a mut Session, ErrorCode> {
        let session = sessions.get_mut(who).ok_or(ErrorCode::SHARE_SESSION_NOT_FOUND)?;
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH);
        }
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        Ok(session)
    }

    fn remove(&self, is_ended: impl Fn(&Who, &Session) -> bool) -> Vec<Who> {
        let mut ended = Vec::new();
        self.sessions().retain(|who, session| {
            let goes = is_ended(who, session);
            if goes {
                ended.push(who.clone());
            }
            !goes
        });
        ended
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<Who, Session>> {
        self.sessions.lock().expect("no code panics while it holds this lock")
    }
}

impl Session {
    fn want(&mut self, places: &[Place]) {
        for place in places {
            if self.places.len() >= PARTITIONS_MAX {
                return;
            }
            self.places.insert(*place);
        }
    }

    /// Each request begins with another partition, so that a busy one does not starve the rest.
    fn plan(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.places.iter().copied().collect();
        if !places.is_empty() {
            let turn = usize::try_from(self.epoch).unwrap_or(0) % places.len();
            places.rotate_left(turn);
        }
        places
    }
}

#[cfg(test)]
mod tests;
