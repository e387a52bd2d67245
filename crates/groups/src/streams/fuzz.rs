//! Hostile heartbeats of streams groups: whatever application a client says it is.
//!
//! Not here: hostile records (fuzz.rs of the crate). Must hold: every heartbeat is answered once,
//! and what is written down can be lived with.

use bytes::Bytes;
use ottla_machine::{Machine, Now, Ticket};
use ottla_wire::fuzz::Prng;
use ottla_wire::messages::StreamsGroupHeartbeatRequest;
use ottla_wire::messages::streams_group_heartbeat_request::{
    CopartitionGroup, Endpoint, Subtopology, TopicInfo, Topology,
};
use ottla_wire::{Message, Offset, PartitionIndex, Reader, StrBytes, Timestamp, TopicId};

use crate::{Ask, Groups, Settings, Soft, Topics};

/// Plays a heartbeat a few times, with time passing in between.
pub(crate) fn beat(input: &[u8]) {
    let mut reader = Reader::new(Bytes::copy_from_slice(input));
    let Ok(request) = StreamsGroupHeartbeatRequest::decode(&mut reader, 0) else { return };
    let (mut groups, mut soft) = (Groups::default(), Soft::default());
    let settings = Settings::default();
    let mut ask = Ask {
        now: Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) },
        settings: &settings,
        version: 0,
        client_id: "fuzz",
        client_host: "/127.0.0.1",
        random: [0; 16],
        ticket: Ticket(1),
    };
    for _ in 0..3 {
        let decided = groups.streams_heartbeat(&mut soft, &ask, &ShortTopics, &request);
        assert_eq!(decided.replies.len(), 1);
        for record in &decided.records {
            groups.replay(Offset(0), record);
        }
        ask.now.steady = ask.now.steady + 3_000;
        let decided = groups.tick(&mut soft, ask.now, &settings, &ShortTopics);
        for record in &decided.records {
            groups.replay(Offset(0), record);
        }
    }
    groups.streams_describe(&soft, &ask, &request.group_id);
}

/// A cluster with every topic whose name is short.
struct ShortTopics;

impl Topics for ShortTopics {
    fn id(&self, name: &str) -> Option<TopicId> {
        (name.len() < 4).then_some(TopicId::ZERO)
    }
    fn name(&self, _: TopicId) -> Option<StrBytes> {
        None
    }
    fn has_partition(&self, _: &str, _: PartitionIndex) -> bool {
        true
    }
    fn partition_count(&self, _: TopicId) -> i32 {
        3
    }
    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }
    fn each_name(&self, _: &mut dyn FnMut(&str)) {}
    fn version(&self) -> Offset {
        Offset(0)
    }
}

/// An application of one part, and one of two with topics between and behind them.
pub(crate) fn heartbeats(_: &mut Prng) -> Vec<Vec<u8>> {
    let topic = |name: &'static str| TopicInfo { name: name.into(), ..TopicInfo::default() };
    let copartition = CopartitionGroup { source_topics: vec![0, 1], ..Default::default() };
    let first = Subtopology {
        subtopology_id: "0".into(),
        source_topics: vec!["in".into(), "too".into()],
        repartition_sink_topics: vec!["between".into()],
        copartition_groups: vec![copartition],
        ..Subtopology::default()
    };
    let second = Subtopology {
        subtopology_id: "1".into(),
        repartition_source_topics: vec![topic("between")],
        state_changelog_topics: vec![topic("log")],
        ..Subtopology::default()
    };
    let joining = |subtopologies: Vec<Subtopology>| StreamsGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        rebalance_timeout_ms: 1_000,
        topology: Some(Topology { subtopologies, ..Topology::default() }),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some("p".into()),
        user_endpoint: Some(Endpoint { host: "h".into(), port: 1, ..Endpoint::default() }),
        ..StreamsGroupHeartbeatRequest::default()
    };
    let requests = [joining(vec![first.clone()]), joining(vec![first, second])];
    requests.iter().filter_map(|request| Some(request.to_bytes(0).ok()?.to_vec())).collect()
}
