//! What the active controller knows about brokers and the log does not: when they were last heard,
//! how far they have read. A new active controller begins anew.
//!
//! Must hold: losing it, or keeping what a failed append would have confirmed, does no harm.

use std::collections::BTreeMap;

use ottla_metadata::Image;
use ottla_settings::Settings;
use ottla_wire::{BrokerEpoch, BrokerId, Offset, Timestamp};

/// The active controller's view of one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Of which registration.
    pub epoch: BrokerEpoch,
    /// When it was last heard.
    pub last_contact: Timestamp,
    /// Whether it was heard since this controller became active, over a connection that lives.
    pub connected: bool,
    /// How far it has read the metadata log.
    pub metadata_offset: Offset,
    /// The offset of its registration's record, when this controller wrote it.
    pub registered_at: Option<Offset>,
    /// What all active brokers must have read before it may stop.
    pub shutdown_offset: Option<Offset>,
}

/// State of the active controller that is not in the log.
#[derive(Clone, Debug)]
pub struct Soft {
    /// Sessions by broker.
    pub(crate) sessions: BTreeMap<BrokerId, Session>,
    /// The level of `kraft.version`, which only control records tell.
    pub kraft_version: i16,
    /// The settings as changed at run time, and the changes they were made of.
    pub(crate) settings: Option<(BTreeMap<String, String>, Settings)>,
    /// The end of the log when the tick last looked, and when that was.
    pub(crate) idle_since: Option<(Offset, Timestamp)>,
    pub(crate) balanced_at: Timestamp,
    pub(crate) unclean_at: Timestamp,
}

impl Default for Soft {
    fn default() -> Self {
        Soft {
            sessions: BTreeMap::new(),
            kraft_version: 1,
            settings: None,
            idle_since: None,
            balanced_at: Timestamp(0),
            unclean_at: Timestamp(0),
        }
    }
}

impl Soft {
    /// The session of a broker.
    pub fn session(&self, id: BrokerId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// The broker's connection is gone: its next incarnation need not wait for the session's end.
    pub fn disconnected(&mut self, id: BrokerId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.connected = false;
        }
    }

    /// Every registered broker has a whole session's time to be heard.
    pub(crate) fn begin(&mut self, image: &Image, now: Timestamp) {
        let session = |epoch| Session {
            epoch,
            last_contact: now,
            connected: false,
            metadata_offset: Offset(-1),
            registered_at: None,
            shutdown_offset: None,
        };
        self.sessions = image.brokers().map(|broker| (broker.id, session(broker.epoch))).collect();
        (self.balanced_at, self.unclean_at) = (now, now);
        self.idle_since = None;
    }

    /// The session of a registration, begun if there is none.
    pub(crate) fn touch(
        &mut self,
        id: BrokerId,
        epoch: BrokerEpoch,
        now: Timestamp,
    ) -> &mut Session {
        let session = self.sessions.entry(id).or_insert(Session {
            epoch,
            last_contact: now,
            connected: true,
            metadata_offset: Offset(-1),
            registered_at: None,
            shutdown_offset: None,
        });
        if session.epoch != epoch {
            session.metadata_offset = Offset(-1);
            session.registered_at = None;
            session.shutdown_offset = None;
        }
        session.epoch = epoch;
        session.last_contact = now;
        session.connected = true;
        session
    }
}
