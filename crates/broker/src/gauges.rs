//! What of a broker is looked up when somebody asks: its partitions, its groups, and whether it
//! serves what it should.
//!
//! Not here: what is counted where it happens (partition.rs, net). Must hold: a page stays
//! bounded however many topics and partitions there are, and says what it leaves out.

use ottla_coordination::ShardState;
use ottla_metadata::Image;
use ottla_metrics::{Metric, Page};
use ottla_wire::{LeaderEpoch, PartitionIndex};

use crate::broker::Broker;
use crate::context::Rooms;
use crate::share_partitions::Counts;
use crate::topics;

/// So many topics have samples of their own; the samples of all topics together hold them all.
const TOPICS_SHOWN_MAX: usize = 2_000;
/// So many partitions have samples of their own.
const PARTITIONS_SHOWN_MAX: usize = 5_000;
/// Any epoch will do.
const ANY: LeaderEpoch = LeaderEpoch(-1);

/// States of groups, each with its metric.
const STATES: &[(&str, Metric)] = &[
    ("Empty", Metric::GroupsEmpty),
    ("PreparingRebalance", Metric::GroupsPreparing),
    ("CompletingRebalance", Metric::GroupsCompleting),
    ("Stable", Metric::GroupsStable),
];

/// The other kinds of groups, each with the states that its groups may be in.
const STATES_OF_KINDS: &[(&str, Metric, &[&str])] = &[
    ("consumer", Metric::ConsumerGroups, &["Empty", "Assigning", "Reconciling", "Stable"]),
    ("share", Metric::ShareGroups, &["Empty", "Stable"]),
    (
        "streams",
        Metric::StreamsGroups,
        &["Empty", "NotReady", "Assigning", "Reconciling", "Stable"],
    ),
];

impl Broker {
    /// Writes where the broker stands.
    pub async fn gauges(&self, page: &mut Page) {
        let rooms = &self.applier.rooms;
        partitions(rooms, page);
        directories(rooms, page);
        cleaning(rooms, page);
        groups(rooms, page).await;
        coordinated(rooms, page);
        shares(rooms, page);
        page.put(Metric::FetchSessions, &[], rooms.fetch_sessions.count());
        let applied = rooms.image.borrow().provenance().offset;
        page.put(Metric::MetadataOffset, &[], applied.0);
        if let Some(telemetry) = &rooms.telemetry {
            let received = telemetry.received();
            page.put(Metric::TelemetryClients, &[], received.instances);
            page.put(Metric::TelemetryPushes, &[], received.pushes);
            page.put(Metric::TelemetryBytes, &[], received.bytes);
            page.put(Metric::TelemetryUnknown, &[], received.unknown_subscriptions);
        }
    }

    /// What must still happen before clients are served in full; nothing when they are.
    pub fn waits_for(&self) -> Vec<String> {
        let rooms = &self.applier.rooms;
        let image = rooms.image.borrow().clone();
        let mut waits = Vec::new();
        match image.broker(rooms.broker_id) {
            None => waits.push("registration: the controller does not know this broker".to_owned()),
            Some(broker) if broker.fenced => waits.push("the broker is fenced".to_owned()),
            Some(broker) if broker.in_controlled_shutdown => {
                waits.push("the broker shuts down".to_owned());
            }
            Some(_) => {}
        }
        let (led, served) = leaders(rooms, &image);
        if served < led {
            waits.push(format!("leaders: {served} of {led} partitions are served"));
        }
        for (topic, states) in coordinators(rooms) {
            let loading = states.iter().filter(|state| **state == ShardState::Loading).count();
            if loading > 0 {
                waits.push(format!("coordinators: {loading} partitions of {topic} are read"));
            }
        }
        waits
    }
}

/// How many partitions this broker should lead, and how many of them it serves.
fn leaders(rooms: &Rooms, image: &Image) -> (usize, usize) {
    let (mut led, mut served) = (0, 0);
    for topic in image.topics().iter() {
        for (index, assigned) in topic.partitions.iter() {
            if assigned.leader != Some(rooms.broker_id) {
                continue;
            }
            led += 1;
            let found = rooms.partitions.find(topic.id, *index);
            let is_served = found.is_ok_and(|partition| {
                partition.check_leader(ANY).is_ok() && !partition.is_offline()
            });
            served += usize::from(is_served);
        }
    }
    (led, served)
}

fn partitions(rooms: &Rooms, page: &mut Page) {
    for (name, traffic) in rooms.partitions.traffics().iter().take(TOPICS_SHOWN_MAX) {
        traffic.write(page, name);
    }
    let (mut led, mut offline, mut bytes) = (0_usize, rooms.partitions.offline_count(), 0);
    let all = rooms.partitions.all();
    for (place, partition) in all.iter().enumerate() {
        let log = partition.log();
        led += usize::from(partition.check_leader(ANY).is_ok());
        offline += usize::from(partition.is_offline());
        let size = log.size();
        bytes += size;
        if place < PARTITIONS_SHOWN_MAX {
            let labels = [&*partition.topic, &partition.index.to_string()];
            page.put(Metric::LogSize, &labels, size);
            page.put(Metric::LogStart, &labels, log.start().0);
            page.put(Metric::LogEnd, &labels, log.end().0);
            page.put(Metric::LogSegments, &labels, log.segment_count());
        }
    }
    page.put(Metric::Partitions, &[], all.len());
    page.put(Metric::Leaders, &[], led);
    page.put(Metric::OfflineReplicas, &[], offline);
    page.put(Metric::UnderReplicated, &[], under_replicated(rooms));
    page.put(Metric::LogBytes, &[], bytes);
    page.put(Metric::LogsLeftOut, &[], all.len().saturating_sub(PARTITIONS_SHOWN_MAX));
}

fn under_replicated(rooms: &Rooms) -> usize {
    let image = rooms.image.borrow().clone();
    let partitions = image.topics().iter().flat_map(|topic| topic.partitions.iter());
    let short = partitions.filter(|(_, assigned)| {
        assigned.leader == Some(rooms.broker_id) && assigned.isr.len() < assigned.replicas.len()
    });
    short.count()
}

fn directories(rooms: &Rooms, page: &mut Page) {
    let (mut offline, mut cordoned) = (0_usize, 0_usize);
    for directory in rooms.dirs.states() {
        let has_failed = directory.failure.is_some();
        offline += usize::from(has_failed);
        cordoned += usize::from(directory.cordoned);
        let labels = [&*directory.path.to_string_lossy()];
        page.put(Metric::DirOffline, &labels, has_failed);
        page.put(Metric::DirCordoned, &labels, directory.cordoned);
        page.put(Metric::Flushes, &labels, directory.flushes);
    }
    page.put(Metric::OfflineDirs, &[], offline);
    page.put(Metric::CordonedDirs, &[], cordoned);
}

fn cleaning(rooms: &Rooms, page: &mut Page) {
    let status = rooms.dirs.cleaning_status();
    for directory in rooms.dirs.states() {
        let labels = [&*directory.path.to_string_lossy()];
        let here = status.uncleanable.iter().filter(|log| log.directory == directory.id);
        page.put(
            Metric::UncleanableBytes,
            &labels,
            here.clone().map(|log| log.dirty_bytes).sum::<u64>(),
        );
        page.put(Metric::Uncleanable, &labels, here.count());
    }
    page.put(Metric::DirtyPercent, &[], 100.0 * status.dirtiest);
    page.put(Metric::CleanerIdle, &[], status.idle_ms.unwrap_or(0));
    page.put(Metric::CleanerRecopied, &[], status.recopied_percent);
    page.put(Metric::CleanerKeys, &[], status.key_percent_max);
    page.put(Metric::CleanerTime, &[], status.seconds_max);
    page.put(Metric::CleanerDelay, &[], status.overdue_ms.max(0) / 1_000);
    page.put(Metric::CleanerPasses, &[], status.passes);
}

async fn groups(rooms: &Rooms, page: &mut Page) {
    let (counts, rebalances) = rooms.groups.group_states().await;
    let of = |kind, state| counts.get(&(kind, state)).copied().unwrap_or(0);
    let of_kind = |kind| -> usize {
        counts.iter().filter(|((it, _), _)| *it == kind).map(|(_, count)| count).sum()
    };
    page.put(Metric::Groups, &[], of_kind("classic"));
    for (state, metric) in STATES {
        page.put(*metric, &[], of("classic", state));
    }
    for protocol in ["classic", "consumer", "share", "streams"] {
        page.put(Metric::GroupsOfProtocol, &[protocol], of_kind(protocol));
    }
    page.put(Metric::ConsumerRebalances, &[], rebalances.consumers);
    page.put(Metric::ShareRebalances, &[], rebalances.shares);
    page.put(Metric::StreamsRebalances, &[], rebalances.streams);
    for (kind, metric, states) in STATES_OF_KINDS {
        for state in *states {
            page.put(*metric, &[state], of(kind, state));
        }
    }
}

fn shares(rooms: &Rooms, page: &mut Page) {
    let shares = &rooms.share_partitions;
    shares.traffic.write(page);
    page.put(Metric::ShareSessions, &[], shares.sessions.count());
    page.put(Metric::SharePartitions, &[], shares.sessions.places_count());
    let (mut all_in_flight, mut all_runs) = (0, 0);
    let timed_out = shares.traffic.timed_out.value();
    page.put(Metric::LockTimeouts, &["", "", ""], timed_out);
    for (place, share) in shares.all().iter().enumerate() {
        let Some(counts) = share.counts() else { continue };
        let Counts { in_flight, runs, timed_out } = counts;
        all_in_flight += in_flight;
        all_runs += runs;
        if place < PARTITIONS_SHOWN_MAX {
            let partition = share.partition.index.to_string();
            let labels = [&*share.key().group, &*share.partition.topic, &*partition];
            page.put(Metric::InFlight, &labels, in_flight);
            page.put(Metric::InFlightBatches, &labels, runs);
            page.put(Metric::LockTimeouts, &labels, timed_out);
        }
    }
    page.put(Metric::InFlight, &["", "", ""], all_in_flight);
    page.put(Metric::InFlightBatches, &["", "", ""], all_runs);
}

fn coordinated(rooms: &Rooms, page: &mut Page) {
    for (topic, states) in coordinators(rooms) {
        let loading = states.iter().filter(|state| **state == ShardState::Loading).count();
        page.put(Metric::CoordinatorsLoading, &[topic], loading);
        let failed = states.iter().filter(|state| matches!(state, ShardState::Failed(_))).count();
        page.put(Metric::CoordinatorsFailed, &[topic], failed);
        if topic == topics::SHARE_GROUP_STATE {
            let active = states.len() - loading - failed;
            for (state, count) in [("active", active), ("failed", failed), ("loading", loading)] {
                page.put(Metric::ShareCoordinators, &[state], count);
            }
        }
        if topic == topics::TRANSACTION_STATE {
            let ids = states.iter().map(|state| match state {
                ShardState::Active { things, .. } => *things,
                ShardState::Loading | ShardState::Failed(_) => 0,
            });
            page.put(Metric::TransactionalIds, &[], ids.sum::<usize>());
        }
    }
}

/// What the partitions of each coordinator's topic are doing.
fn coordinators(rooms: &Rooms) -> [(&'static str, Vec<ShardState>); 3] {
    let states =
        |all: Vec<(PartitionIndex, ShardState)>| all.into_iter().map(|(_, state)| state).collect();
    [
        (topics::CONSUMER_OFFSETS, states(rooms.groups.states())),
        (topics::TRANSACTION_STATE, states(rooms.transactions.states())),
        (topics::SHARE_GROUP_STATE, states(rooms.shares.states())),
    ]
}
