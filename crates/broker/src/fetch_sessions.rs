//! Incremental fetch sessions (KIP-227): what a client has asked for, and what it was told.
//!
//! A client names its partitions once; later requests say only what changed, and answers hold
//! only partitions with news. Pure: the clock and the random session ids come in.
//! Must hold: sessions and their partitions are bounded by the cache's slots and by what a
//! request may hold; an answer is recorded before it leaves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

/// Closes the session, or asks for none.
const FINAL_EPOCH: i32 = -1;
/// Asks for a new session.
const INITIAL_EPOCH: i32 = 0;
/// A session that was not used for this long may be replaced, as may a smaller one that is older.
const EVICTION_MS: i64 = 120_000;

/// A topic as the request's version names it: by id from version 13 on, by name before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TopicKey {
    Id(TopicId),
    Name(Arc<str>),
}

/// One partition that a client wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic: TopicKey,
    pub(crate) index: PartitionIndex,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) offset: Offset,
    pub(crate) last_fetched_epoch: LeaderEpoch,
    pub(crate) log_start: Offset,
    pub(crate) max_bytes: i32,
}

/// What an answer says of one partition, as far as it counts as news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: Offset,
    pub(crate) log_start: Offset,
}

/// The session part of a request.
pub(crate) struct Asked {
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    pub(crate) uses_topic_ids: bool,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) forgotten: Vec<(TopicKey, PartitionIndex)>,
}

struct Entry {
    order: u64,
    wanted: Wanted,
    told: Option<Told>,
}

type Key = (TopicKey, PartitionIndex);

struct Session {
    epoch: i32,
    uses_topic_ids: bool,
    created: Timestamp,
    used: Timestamp,
    entries: BTreeMap<Key, Entry>,
    next_order: u64,
}

impl Session {
    fn new(uses_topic_ids: bool, now: Timestamp) -> Self {
        Session {
            epoch: 1,
            uses_topic_ids,
            created: now,
            used: now,
            entries: BTreeMap::new(),
            next_order: 0,
        }
    }

    fn want(&mut self, wanted: Vec<Wanted>) {
        for wanted in wanted {
            let key = (wanted.topic.clone(), wanted.index);
            match self.entries.get_mut(&key) {
                Some(entry) => entry.wanted = wanted,
                None => {
                    let order = self.next_order;
                    self.next_order += 1;
                    self.entries.insert(key, Entry { order, wanted, told: None });
                }
            }
        }
    }

    fn in_order(&self) -> Vec<Wanted> {
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_by_key(|entry| entry.order);
        entries.into_iter().map(|entry| entry.wanted.clone()).collect()
    }
}

/// How a request is to be answered.
#[derive(Debug)]
pub(crate) struct Plan {
    kind: Kind,
    /// What to read, in the order of the answer.
    pub(crate) wanted: Vec<Wanted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sessionless,
    Full { id: i32 },
    Incremental { id: i32 },
}

impl Plan {
    /// The session id that the answer carries; 0 for none.
    pub(crate) fn session_id(&self) -> i32 {
        match self.kind {
            Kind::Sessionless => 0,
            Kind::Full { id } | Kind::Incremental { id } => id,
        }
    }
}

/// All sessions of a broker.
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: Mutex<BTreeMap<i32, Session>>,
}

impl FetchSessions {
    /// Room for `slots` sessions (`max.incremental.fetch.session.cache.slots`).
    pub(crate) fn new(slots: usize) -> Self {
        FetchSessions { slots, sessions: Mutex::default() }
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.sessions().len()
    }

    /// What to read for a request. `random` gives candidates for a new session's id.
    ///
    /// # Errors
    /// The session is unknown, or the request is not the next one in it.
    pub(crate) fn open(
        &self,
        asked: Asked,
        now: Timestamp,
        random: impl FnMut() -> u64,
    ) -> Result<Plan, ErrorCode> {
        let mut sessions = self.sessions();
        match asked.session_epoch {
            INITIAL_EPOCH | FINAL_EPOCH => {
                sessions.remove(&asked.session_id);
                let id = if asked.session_epoch == INITIAL_EPOCH {
                    self.create(&mut sessions, &asked, now, random)
                } else {
                    None
                };
                let kind = id.map_or(Kind::Sessionless, |id| Kind::Full { id });
                Ok(Plan { kind, wanted: asked.wanted })
            }
            _ => Self::resume(&mut sessions, asked, now),
        }
    }

    fn resume(
        sessions: &mut BTreeMap<i32, Session>,
        asked: Asked,
        now: Timestamp,
    ) -> Result<Plan, ErrorCode> {
        let id = asked.session_id;
        let session = sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if asked.session_epoch != session.epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if asked.uses_topic_ids != session.uses_topic_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.used = now;
        session.want(asked.wanted);
        for key in &asked.forgotten {
            session.entries.remove(key);
        }
        let wanted = session.in_order();
        if wanted.is_empty() {
            sessions.remove(&id);
            return Ok(Plan { kind: Kind::Sessionless, wanted });
        }
        Ok(Plan { kind: Kind::Incremental { id }, wanted })
    }

    fn create(
        &self,
        sessions: &mut BTreeMap<i32, Session>,
        asked: &Asked,
        now: Timestamp,
        mut random: impl FnMut() -> u64,
    ) -> Option<i32> {
        if sessions.len() >= self.slots && !evict(sessions, asked.wanted.len(), now) {
            return None;
        }
        let id = loop {
            let id = i32::try_from(random() & 0x7fff_ffff).expect("31 bits fit");
            if id != 0 && !sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session::new(asked.uses_topic_ids, now);
        session.want(asked.wanted.clone());
        sessions.insert(id, session);
        Some(id)
    }

    /// Whether the answer to `plan` must name this partition, and remembers that it did.
    /// `has_news` is set for records, errors and redirections; those move the partition to the
    /// end of the session's order, so that a busy one does not starve the rest.
    pub(crate) fn tell(&self, plan: &Plan, of: &Wanted, told: Told, has_news: bool) -> bool {
        let (id, incremental) = match plan.kind {
            Kind::Sessionless => return true,
            Kind::Full { id } => (id, false),
            Kind::Incremental { id } => (id, true),
        };
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(&id) else { return true };
        let order = session.next_order;
        let Some(entry) = session.entries.get_mut(&(of.topic.clone(), of.index)) else {
            return true;
        };
        let is_new = entry.told.replace(told) != Some(told);
        if has_news && incremental {
            entry.order = order;
            session.next_order += 1;
        }
        !incremental || has_news || is_new
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<i32, Session>> {
        self.sessions.lock().expect("no code panics while it holds this lock")
    }
}

/// Makes room by the rule of Kafka's cache: an unused session goes first, then the smallest one
/// that is smaller than the newcomer and old enough.
fn evict(sessions: &mut BTreeMap<i32, Session>, newcomer: usize, now: Timestamp) -> bool {
    let unused = sessions
        .iter()
        .filter(|(_, session)| now.0 - session.used.0 > EVICTION_MS)
        .min_by_key(|(_, session)| session.used);
    let victim = unused.or_else(|| {
        sessions
            .iter()
            .filter(|(_, session)| {
                session.entries.len() < newcomer && now.0 - session.created.0 > EVICTION_MS
            })
            .min_by_key(|(_, session)| session.entries.len())
    });
    match victim.map(|(id, _)| *id) {
        Some(id) => sessions.remove(&id).is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
