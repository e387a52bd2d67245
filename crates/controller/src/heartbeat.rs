//! BrokerHeartbeat (63), v0-2: a broker is there, wants to serve, or wants to stop.
//!
//! | state | wants | becomes |
//! |---|---|---|
//! | fenced | to stop | may stop |
//! | fenced | to serve, and has read its registration | active: leaderless partitions elect |
//! | active | to be fenced | fenced; may stop if it wants that too |
//! | active | to stop, leads | in controlled shutdown: others lead |
//! | active | to stop, leads nothing | may stop |
//! | in controlled shutdown | leads nothing, and all others have read that | may stop |
//!
//! v1 tells directories that went offline (KIP-858), v2 cordoned ones (KIP-1066).
//! Not served: nothing.

use ottla_metadata::{Broker, MetadataRecord, MetadataVersion};
use ottla_wire::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationChangeRecord,
};
use ottla_wire::{BrokerId, DirectoryId, ErrorCode, Offset};

use crate::brokers::{current, registered_at};
use crate::leadership::{Electorate, Leave};
use crate::{Controller, Decision, Live};

/// In a BrokerRegistrationChangeRecord: the broker is fenced from here on, or no longer.
const FENCED: i8 = 1;
const UNFENCED: i8 = -1;

/// What a broker is, as heartbeats see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fenced,
    Active,
    ControlledShutdown,
    MayStop,
}

impl Controller {
    /// Hears a broker.
    pub fn broker_heartbeat(
        &self,
        live: &mut Live<'_>,
        request: &BrokerHeartbeatRequest,
    ) -> Decision<BrokerHeartbeatResponse> {
        let image = live.image;
        let Some(broker) = current(image, request.broker_id, request.broker_epoch) else {
            return Decision::reply(BrokerHeartbeatResponse {
                error_code: ErrorCode::STALE_BROKER_EPOCH,
                ..Default::default()
            });
        };
        let session = live.soft.touch(broker.id, broker.epoch, live.now);
        session.metadata_offset = request.current_metadata_offset;
        let is_caught_up = request.current_metadata_offset >= registered_at(live.soft, broker);
        let now = state(broker);
        let next = self.next_state(live, broker, request, is_caught_up);
        let mut records = self.transition(live, broker, now, next);
        records.extend(self.offline_directories(live, broker, &request.offline_log_dirs));
        records.extend(cordon(live, broker, request.cordoned_log_dirs.as_ref()));
        if next == State::ControlledShutdown {
            self.note_shutdown_offset(live, broker.id, now, records.len());
        }
        let response = BrokerHeartbeatResponse {
            is_caught_up,
            is_fenced: matches!(next, State::Fenced | State::MayStop),
            should_shut_down: next == State::MayStop,
            ..Default::default()
        };
        Decision::new(records, response)
    }

    fn next_state(
        &self,
        live: &Live<'_>,
        broker: &Broker,
        request: &BrokerHeartbeatRequest,
        is_caught_up: bool,
    ) -> State {
        let leads = || {
            let electorate = Electorate::new(live.image, &self.settings);
            electorate.leads_any(broker.id)
        };
        match state(broker) {
            State::Fenced if request.want_shut_down => State::MayStop,
            // Who was on the way out comes back by another registration only.
            State::Fenced if broker.in_controlled_shutdown => State::Fenced,
            State::Fenced if !request.want_fence && is_caught_up => State::Active,
            State::Active if request.want_fence && request.want_shut_down => State::MayStop,
            State::Active if request.want_fence => State::Fenced,
            State::Active if request.want_shut_down && leads() => State::ControlledShutdown,
            State::Active if request.want_shut_down => State::MayStop,
            State::ControlledShutdown if !leads() && others_know(live, broker.id) => State::MayStop,
            same => same,
        }
    }

    fn transition(
        &self,
        live: &mut Live<'_>,
        broker: &Broker,
        now: State,
        next: State,
    ) -> Vec<MetadataRecord> {
        let settings = self.changed_settings(live.image, live.soft);
        let electorate = Electorate::new(live.image, settings);
        let mut records = Vec::new();
        match next {
            same if same == now => {}
            State::Active => {
                records.push(fencing(broker, UNFENCED));
                records.extend(electorate.come_back(broker.id));
            }
            State::ControlledShutdown => {
                records.push(MetadataRecord::from(BrokerRegistrationChangeRecord {
                    in_controlled_shutdown: 1,
                    ..change(broker)
                }));
                records.extend(electorate.leave(broker.id, Leave::Whole));
            }
            State::Fenced | State::MayStop if !broker.fenced => {
                records.extend(electorate.leave(broker.id, Leave::Whole));
                records.push(fencing(broker, FENCED));
            }
            State::Fenced | State::MayStop => {}
        }
        records
    }

    /// Fences a broker that was not heard for too long.
    pub(crate) fn fence(&self, live: &mut Live<'_>, broker: &Broker) -> Vec<MetadataRecord> {
        self.transition(live, broker, State::Active, State::Fenced)
    }

    /// While it leads, what others must know before it may stop is yet to come.
    fn note_shutdown_offset(
        &self,
        live: &mut Live<'_>,
        id: BrokerId,
        before: State,
        records: usize,
    ) {
        let leads = Electorate::new(live.image, &self.settings).leads_any(id);
        let begins = before != State::ControlledShutdown;
        if let Some(session) = live.soft.sessions.get_mut(&id).filter(|_| begins || leads) {
            let last = i64::try_from(records).unwrap_or(i64::MAX).saturating_sub(1);
            session.shutdown_offset = Some(live.end + last);
        }
    }

    fn offline_directories(
        &self,
        live: &mut Live<'_>,
        broker: &Broker,
        offline: &[DirectoryId],
    ) -> Vec<MetadataRecord> {
        let is_lost = |id: &DirectoryId| offline.contains(id);
        let (lost, left): (Vec<DirectoryId>, Vec<DirectoryId>) =
            broker.directories.iter().partition(|id| is_lost(id));
        if lost.is_empty() {
            return Vec::new();
        }
        let settings = self.changed_settings(live.image, live.soft);
        let electorate = Electorate::new(live.image, settings);
        let mut records = electorate.lose_directories(broker.id, &lost);
        // An empty list cannot be told from no change, so it is written with the changes only.
        if !left.is_empty() || !records.is_empty() {
            records.push(MetadataRecord::from(BrokerRegistrationChangeRecord {
                log_dirs: left,
                ..change(broker)
            }));
        }
        records
    }
}

fn state(broker: &Broker) -> State {
    match broker {
        broker if broker.fenced => State::Fenced,
        broker if broker.in_controlled_shutdown => State::ControlledShutdown,
        _ => State::Active,
    }
}

/// Whether every other active broker has read that `id` leads nothing any more.
fn others_know(live: &Live<'_>, id: BrokerId) -> bool {
    let offset = live.soft.session(id).and_then(|session| session.shutdown_offset);
    let Some(offset) = offset else { return true };
    let mut others = live.image.brokers().filter(|broker| broker.id != id && broker.is_active());
    others.all(|other| {
        let read =
            live.soft.session(other.id).map_or(Offset(-1), |session| session.metadata_offset);
        read >= offset
    })
}

fn cordon(
    live: &Live<'_>,
    broker: &Broker,
    cordoned: Option<&Vec<DirectoryId>>,
) -> Option<MetadataRecord> {
    let level = live.image.features().metadata_version();
    let cordoned = cordoned.filter(|_| level >= MetadataVersion::CORDONED_LOG_DIRS)?;
    if broker.cordoned.as_ref() == Some(cordoned) {
        return None;
    }
    Some(MetadataRecord::from(BrokerRegistrationChangeRecord {
        cordoned_log_dirs: Some(cordoned.clone()),
        ..change(broker)
    }))
}

fn fencing(broker: &Broker, fenced: i8) -> MetadataRecord {
    MetadataRecord::from(BrokerRegistrationChangeRecord { fenced, ..change(broker) })
}

fn change(broker: &Broker) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        ..Default::default()
    }
}
