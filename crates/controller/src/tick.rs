//! What the active controller does by itself as time goes by: it fences brokers that fell silent,
//! gives partitions back to their preferred leaders, elects uncleanly where that is allowed, and
//! writes a NoOpRecord when nothing else was written, so that followers see time pass.

use ottla_machine::Decided;
use ottla_metadata::MetadataRecord;
use ottla_wire::Timestamp;
use ottla_wire::messages::NoOpRecord;

use crate::leadership::Electorate;
use crate::reply::ControllerReply;
use crate::{Controller, Live};

/// The longest time between two looks when nothing is due.
const TICK_MS_MAX: i64 = 1_000;

impl Controller {
    /// Does what is due at `live.now`, and says when to come again.
    ///
    /// Brokers are fenced one per tick, since each changes what the next one's partitions become.
    pub fn tick(&self, live: &mut Live<'_>) -> Decided<MetadataRecord, ControllerReply> {
        let mut records = self.fence_silent(live);
        if records.is_empty() {
            records = self.elect_what_is_due(live);
        }
        let is_idle = records.is_empty() && self.was_idle(live);
        if is_idle {
            records.push(NoOpRecord::default().into());
        }
        Decided { records, replies: Vec::new(), wake: Some(self.next_tick(live)) }
    }

    /// When the next thing is due by itself.
    pub(crate) fn next_tick(&self, live: &Live<'_>) -> Timestamp {
        let timeout = i64::from(self.settings.node.broker_session_timeout_ms);
        let sessions = live.image.brokers().filter(|broker| !broker.fenced);
        let ends = sessions.filter_map(|broker| live.soft.session(broker.id));
        let expiry = ends.map(|session| session.last_contact + timeout).min();
        let idle = i64::from(self.settings.quorum.metadata_max_idle_interval_ms);
        let idle = if idle > 0 { idle.min(TICK_MS_MAX) } else { TICK_MS_MAX };
        let latest = live.now + idle;
        expiry.map_or(latest, |expiry| expiry.max(live.now + 1).min(latest))
    }

    fn fence_silent(&self, live: &mut Live<'_>) -> Vec<MetadataRecord> {
        let timeout = i64::from(self.settings.node.broker_session_timeout_ms);
        let soft = &live.soft;
        let silent = live.image.brokers().filter(|broker| !broker.fenced).find(|broker| {
            let session = soft.session(broker.id);
            session.is_none_or(|session| live.now - session.last_contact >= timeout)
        });
        match silent.cloned() {
            Some(broker) => self.fence(live, &broker),
            None => Vec::new(),
        }
    }

    fn elect_what_is_due(&self, live: &mut Live<'_>) -> Vec<MetadataRecord> {
        let replication = &self.settings.replication;
        let balance_ms = replication.leader_imbalance_check_interval_seconds.saturating_mul(1_000);
        let unclean_ms = replication.unclean_leader_election_interval_ms;
        let (now, soft) = (live.now, &mut *live.soft);
        let is_unclean_due = now - soft.unclean_at >= unclean_ms;
        let is_balance_due =
            replication.auto_leader_rebalance_enable && now - soft.balanced_at >= balance_ms;
        if is_unclean_due {
            soft.unclean_at = now;
            let settings = self.changed_settings(live.image, live.soft);
            return Electorate::new(live.image, settings).elect_uncleanly();
        }
        if is_balance_due {
            soft.balanced_at = now;
            let settings = self.changed_settings(live.image, live.soft);
            return Electorate::new(live.image, settings).balance();
        }
        Vec::new()
    }

    /// Whether nothing was written for `metadata.max.idle.interval.ms`.
    fn was_idle(&self, live: &mut Live<'_>) -> bool {
        let interval = i64::from(self.settings.quorum.metadata_max_idle_interval_ms);
        match live.soft.idle_since {
            Some((end, since)) if end == live.end => {
                let is_due = interval > 0 && live.now - since >= interval;
                if is_due {
                    // The record that this leads to is no activity of others.
                    live.soft.idle_since = Some((live.end.next(), live.now));
                }
                is_due
            }
            _ => {
                live.soft.idle_since = Some((live.end, live.now));
                false
            }
        }
    }
}
