//! Share partitions through the broker: their coordinator, their records, their locks.

use bytes::Bytes;
use ottla_records::read_batch;
use ottla_wire::messages::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic};
use ottla_wire::messages::*;
use ottla_wire::{ErrorCode, MemberEpoch, Offset, PartitionIndex, StrBytes, TopicId};

use crate::support::{Got, House, batch, feature, id_of, produce};
use crate::transactions::{add, end, init, write};

/// A house with a topic of one partition, the home of share state, and share groups.
fn house() -> House {
    let mut house = House::with(&[]);
    house.replay(vec![feature("share.version", 1), feature("transaction.version", 2)]);
    house.topic("t", 1, &[]);
    house.topic("__share_group_state", 3, &[("cleanup.policy", "delete")]);
    house
}

/// A request to the share coordinator about partition 0 of topic `t` in group `g`.
macro_rules! of_one {
    ($request:ident, $module:ident::$topic:ident, $partition:expr) => {
        $request {
            group_id: "g".into(),
            topics: vec![$module::$topic {
                topic_id: id_of("t"),
                partitions: vec![$partition],
                ..Default::default()
            }],
            ..Default::default()
        }
    };
}

pub(crate) fn initialize(house: &House, start: i64) {
    use initialize_share_group_state_request as to_initialize;
    let partition = to_initialize::PartitionData {
        state_epoch: 1,
        start_offset: Offset(start),
        ..Default::default()
    };
    let told = house.ask(
        0,
        of_one!(InitializeShareGroupStateRequest, to_initialize::InitializeStateData, partition),
    );
    assert_eq!(told.results[0].partitions[0].error_code, ErrorCode::NONE);
}

pub(crate) fn summary(house: &House) -> (i64, i32) {
    use read_share_group_state_summary_request as to_sum_up;
    let all = to_sum_up::PartitionData::default();
    let request = of_one!(ReadShareGroupStateSummaryRequest, to_sum_up::ReadStateSummaryData, all);
    let told = house.ask(1, request).results.remove(0).partitions.remove(0);
    (told.start_offset.0, told.delivery_complete_count)
}

/// A ShareFetch of a member; `said` are ranges and a type for each.
pub(crate) fn request(member: &str, epoch: i32, said: &[(i64, i64, i8)]) -> ShareFetchRequest {
    let batches = said.iter().map(|(first, last, kind)| AcknowledgementBatch {
        first_offset: Offset(*first),
        last_offset: Offset(*last),
        acknowledge_types: vec![*kind],
        ..Default::default()
    });
    let partition =
        FetchPartition { acknowledgement_batches: batches.collect(), ..Default::default() };
    let topic =
        FetchTopic { topic_id: id_of("t"), partitions: vec![partition], ..Default::default() };
    ShareFetchRequest {
        group_id: Some("g".into()),
        member_id: Some(StrBytes::from(member.to_owned())),
        share_session_epoch: epoch,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1_000_000,
        max_records: 500,
        batch_size: 500,
        topics: vec![topic],
        ..Default::default()
    }
}

/// What came of a ShareFetch: errors, or what was acquired and the values in it.
pub(crate) fn told(response: &ShareFetchResponse) -> String {
    if response.error_code != ErrorCode::NONE {
        return response.error_code.name().to_owned();
    }
    let mut words = Vec::new();
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        for code in [partition.error_code, partition.acknowledge_error_code] {
            if code != ErrorCode::NONE {
                words.push(code.name().to_owned());
            }
        }
        let acquired = partition.acquired_records.iter();
        words.extend(
            acquired
                .map(|it| format!("{}-{}/{}", it.first_offset, it.last_offset, it.delivery_count)),
        );
        let bytes = partition.records.as_bytes().cloned().unwrap_or_else(Bytes::new);
        for batch in ottla_records::batches(&bytes) {
            let batch = batch.unwrap();
            if batch.is_control() {
                continue;
            }
            for record in read_batch(&bytes.slice_ref(batch.bytes())) {
                let value = record.unwrap().value.unwrap();
                words.push(String::from_utf8_lossy(&value).into_owned());
            }
        }
    }
    words.join(" ")
}

pub(crate) fn fetch(house: &House, member: &str, epoch: i32, said: &[(i64, i64, i8)]) -> String {
    told(&house.ask(2, request(member, epoch, said)))
}

pub(crate) fn acknowledge(
    house: &House,
    member: &str,
    epoch: i32,
    said: &[(i64, i64, i8)],
) -> String {
    use share_acknowledge_request::{AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch};
    let batches = said.iter().map(|(first, last, kind)| AcknowledgementBatch {
        first_offset: Offset(*first),
        last_offset: Offset(*last),
        acknowledge_types: vec![*kind],
        ..Default::default()
    });
    let partition =
        AcknowledgePartition { acknowledgement_batches: batches.collect(), ..Default::default() };
    let topics = match said {
        [] => Vec::new(),
        _ => vec![AcknowledgeTopic {
            topic_id: id_of("t"),
            partitions: vec![partition],
            ..Default::default()
        }],
    };
    let is_renew_ack = said.iter().any(|(.., kind)| *kind == RENEW);
    let request = ShareAcknowledgeRequest {
        group_id: Some("g".into()),
        member_id: Some(StrBytes::from(member.to_owned())),
        share_session_epoch: epoch,
        is_renew_ack,
        topics,
        ..Default::default()
    };
    let told = house.ask(2, request);
    let inner = told.responses.iter().flat_map(|topic| &topic.partitions).map(|it| it.error_code);
    let codes: Vec<&str> =
        std::iter::once(told.error_code).chain(inner).map(ErrorCode::name).collect();
    codes.join(" ")
}

pub(crate) const ACCEPT: i8 = 1;
pub(crate) const RELEASE: i8 = 2;
pub(crate) const REJECT: i8 = 3;
const RENEW: i8 = 4;

pub(crate) fn put(house: &House, values: &[&str]) {
    let records: Vec<(Option<&str>, &str)> = values.iter().map(|value| (None, *value)).collect();
    house.ask(9, produce("t", 1, batch(&records)));
}

#[test]
fn the_coordinator_of_a_share_partition_is_found_by_group_topic_and_partition() {
    let house = house();
    let find = |key: String, version| {
        let request = FindCoordinatorRequest {
            key_type: 2,
            coordinator_keys: vec![key.into()],
            ..Default::default()
        };
        house.ask(version, request).coordinators.remove(0).error_code
    };
    let topic = id_of("t");
    assert_eq!(find(format!("g:{topic}:0"), 6), ErrorCode::NONE);
    assert_eq!(find(format!("a:b:{topic}:0"), 6), ErrorCode::NONE);
    for wrong in [format!("{topic}:0"), format!("g:{topic}:-1"), "g:t:0".to_owned()] {
        assert_eq!(find(wrong, 6), ErrorCode::INVALID_REQUEST);
    }
    assert_eq!(find(format!("g:{topic}:0"), 5), ErrorCode::INVALID_REQUEST);
}

#[test]
fn the_state_of_a_share_partition_is_written_read_summed_up_and_deleted() {
    let house = house();
    initialize(&house, 5);
    use {
        delete_share_group_state_request as to_delete, read_share_group_state_request as to_read,
        write_share_group_state_request as to_write,
    };
    let written = to_write::PartitionData {
        state_epoch: 1,
        start_offset: Offset(7),
        delivery_complete_count: 2,
        state_batches: vec![to_write::StateBatch {
            first_offset: Offset(8),
            last_offset: Offset(9),
            delivery_state: 2,
            delivery_count: 1,
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = of_one!(WriteShareGroupStateRequest, to_write::WriteStateData, written);
    assert_eq!(house.ask(1, request).results[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(summary(&house), (7, 2));

    let asked = to_read::PartitionData::default();
    let request = of_one!(ReadShareGroupStateRequest, to_read::ReadStateData, asked);
    let read = house.ask(0, request).results.remove(0).partitions.remove(0);
    assert_eq!((read.start_offset, read.state_batches.len()), (Offset(7), 1));

    let gone = to_delete::PartitionData::default();
    let request = of_one!(DeleteShareGroupStateRequest, to_delete::DeleteStateData, gone);
    assert_eq!(house.ask(0, request).results[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(summary(&house), (-1, -1));
}

#[test]
fn two_members_share_a_partition_and_what_is_released_comes_again() {
    let house = house();
    initialize(&house, 0);
    put(&house, &["a", "b"]);
    put(&house, &["c"]);
    let limited = |member, max_records| ShareFetchRequest {
        max_records,
        share_acquire_mode: 1,
        ..request(member, 0, &[])
    };
    assert_eq!(told(&house.ask(2, limited("m", 2))), "0-1/1 a b");
    assert_eq!(told(&house.ask(2, limited("n", 2))), "2-2/1 c");
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, ACCEPT), (1, 1, RELEASE)]), "NONE NONE");
    assert_eq!(fetch(&house, "n", 1, &[(2, 2, REJECT)]), "1-1/2 a b");
    assert_eq!(acknowledge(&house, "n", 2, &[(1, 1, ACCEPT)]), "NONE NONE");
    assert_eq!(acknowledge(&house, "n", 3, &[(1, 1, ACCEPT)]), "NONE NONE");
    assert_eq!(acknowledge(&house, "n", -1, &[]), "NONE");
    assert_eq!(acknowledge(&house, "n", 5, &[]), "SHARE_SESSION_NOT_FOUND");
}

#[test]
fn a_fetch_waits_for_records_and_for_what_others_give_back() {
    let house = house();
    initialize(&house, 0);
    let waiting = house.begin(2, request("m", 0, &[]));
    assert!(!waiting.is_done());
    put(&house, &["a"]);
    house.pass_ms(20);
    let Got::Answer(first) = waiting.answer() else { panic!("an answer was due") };
    assert_eq!(told(&first), "0-0/1 a");

    let waiting = house.begin(2, request("n", 0, &[]));
    assert!(!waiting.is_done());
    assert_eq!(acknowledge(&house, "m", -1, &[]), "NONE");
    house.pass_ms(20);
    let Got::Answer(second) = waiting.answer() else { panic!("an answer was due") };
    assert_eq!(told(&second), "0-0/2 a");
}

#[test]
fn a_fetch_waits_for_as_many_bytes_as_it_asks_for_until_its_time_is_up() {
    let house = house();
    initialize(&house, 0);
    let patient = |member| ShareFetchRequest { min_bytes: 150, ..request(member, 0, &[]) };
    put(&house, &["a"]);
    let waiting = house.begin(2, patient("m"));
    assert!(!waiting.is_done());
    put(&house, &["b"]);
    assert!(!waiting.is_done(), "two batches of 69 bytes are not enough");
    put(&house, &["c"]);
    house.pass_ms(20);
    let Got::Answer(enough) = waiting.answer() else { panic!("an answer was due") };
    assert_eq!(told(&enough), "0-2/1 a b c");

    put(&house, &["d"]);
    let waiting = house.begin(2, patient("n"));
    assert!(!waiting.is_done());
    house.pass_ms(500);
    let Got::Answer(late) = waiting.answer() else { panic!("an answer was due") };
    assert_eq!(told(&late), "3-3/1 d");
}

#[test]
fn what_share_groups_do_is_counted() {
    let house = house();
    initialize(&house, 0);
    put(&house, &["a", "b", "c", "d", "e"]);
    assert_eq!(fetch(&house, "m", 0, &[]), "0-4/1 a b c d e");
    let said = [(0, 0, ACCEPT), (1, 1, RELEASE), (2, 2, REJECT)];
    assert_eq!(acknowledge(&house, "m", 1, &said), "NONE NONE");
    assert_eq!(acknowledge(&house, "m", 2, &[(3, 3, RENEW)]), "NONE NONE");
    assert_eq!(acknowledge(&house, "m", 3, &[(0, 9, ACCEPT)]), "NONE INVALID_REQUEST");
    let said = house.samples("kafka_server_sharegroupmetrics_recordacknowledgements_total");
    let kinds = [("Accept", 1), ("Release", 1), ("Reject", 1), ("Renew", 1)];
    assert_eq!(said, kinds.map(|(kind, count)| format!("{{acktype=\"{kind}\"}} {count}")));
    let brokers = "kafka_server_brokertopicmetrics_";
    let of = |name: &str| {
        let samples = house.samples(&format!("{brokers}{name}requests_total"));
        samples.into_iter().filter(|it| !it.contains("__share")).collect::<Vec<_>>()
    };
    let of_t = |count| [format!("{{topic=\"t\"}} {count}")];
    assert_eq!(of("totalsharefetch"), of_t(1));
    assert_eq!(of("failedsharefetch"), of_t(0));
    assert_eq!(of("totalshareacknowledgement"), of_t(3));
    assert_eq!(of("failedshareacknowledgement"), of_t(1));
    let partitions = "kafka_server_sharepartitionmetrics_";
    let place = r#"{group="g",topic="t",partition="0"}"#;
    let in_flight = house.samples(&format!("{partitions}inflightmessagecount"));
    assert_eq!(in_flight, [format!("{place} 3"), " 3".to_owned()]);
    // One accepted, one to be had, one rejected, two held: the first is done with.
    let runs = house.samples(&format!("{partitions}inflightbatchcount"));
    assert_eq!(runs, [format!("{place} 4"), " 4".to_owned()]);
    house.pass_ms(31_000);
    let timeouts = house.samples(&format!("{partitions}acquisitionlocktimeout_total"));
    assert_eq!(timeouts, [" 2".to_owned(), format!("{place} 2")]);
    let sessions = "kafka_server_sharesessioncache_";
    assert_eq!(house.samples(&format!("{sessions}sharesessionscount")), [" 1"]);
    assert_eq!(house.samples(&format!("{sessions}sharepartitionscount")), [" 1"]);
}

#[test]
fn what_share_groups_wait_for_is_timed() {
    let house = house();
    initialize(&house, 0);
    let waiting = house.begin(2, request("m", 0, &[]));
    house.pass_ms(500);
    let Got::Answer(nothing) = waiting.answer() else { panic!("an answer was due") };
    assert_eq!(told(&nothing), "");
    let waiting = house.begin(2, request("m", 1, &[]));
    house.pass_ms(250);
    put(&house, &["a"]);
    house.pass_ms(20);
    let Got::Answer(first) = waiting.answer() else { panic!("an answer was due") };
    assert_eq!(told(&first), "0-0/1 a");
    assert_eq!(acknowledge(&house, "m", 2, &[(0, 0, ACCEPT)]), "NONE NONE");
    let of = |name: &str| house.samples(name);
    assert_eq!(of("kafka_server_delayedsharefetchmetrics_expires_total"), [" 1"]);
    assert_eq!(of("ottla_share_partition_loads_total"), [" 1"]);
    assert_eq!(of("ottla_share_acquires_total"), [" 1"]);
    let waited: f64 = of("ottla_share_acquire_seconds_total")[0].trim().parse().unwrap();
    assert!((0.25..0.5).contains(&waited), "{waited}");
    assert_eq!(of("kafka_server_share_coordinator_metrics_write_total"), [" 1"]);
    assert_eq!(of("ottla_share_state_write_seconds_total").len(), 1);
    let states = of("kafka_server_share_coordinator_metrics_num_partitions");
    let expect = [("active", 3), ("failed", 0), ("loading", 0)];
    assert_eq!(states, expect.map(|(state, count)| format!("{{state=\"{state}\"}} {count}")));
    assert_eq!(of("kafka_server_sharesessioncache_sharesessionevictions_total"), [" 0"]);
    house.hang_up();
    assert_eq!(of("kafka_server_sharesessioncache_sharesessionevictions_total"), [" 1"]);
    assert_eq!(of("kafka_server_sharesessioncache_sharesessionscount"), [" 0"]);
}

#[test]
fn locks_run_out_and_are_renewed() {
    let house = house();
    initialize(&house, 0);
    put(&house, &["a"]);
    put(&house, &["b"]);
    assert_eq!(fetch(&house, "m", 0, &[]), "0-1/1 a b");
    house.pass_ms(20_000);
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, RENEW)]), "NONE NONE");
    house.pass_ms(11_000);
    assert_eq!(fetch(&house, "n", 0, &[]), "1-1/2 b");
    assert_eq!(acknowledge(&house, "m", 2, &[(1, 1, ACCEPT)]), "NONE INVALID_RECORD_STATE");
    assert_eq!(acknowledge(&house, "m", 3, &[(0, 0, ACCEPT)]), "NONE NONE");
    assert_eq!(acknowledge(&house, "n", 1, &[(1, 1, ACCEPT)]), "NONE NONE");
}

#[test]
fn what_was_acknowledged_survives_the_broker_and_what_was_not_comes_again() {
    let mut house = house();
    initialize(&house, 0);
    put(&house, &["a", "b", "c", "d"]);
    assert_eq!(fetch(&house, "m", 0, &[]), "0-3/1 a b c d");
    let said = [(1, 1, ACCEPT), (2, 2, RELEASE)];
    assert_eq!(acknowledge(&house, "m", 1, &said), "NONE NONE");
    house.kill_and_restart();
    assert_eq!(fetch(&house, "m", 2, &[]), "SHARE_SESSION_NOT_FOUND");
    assert_eq!(fetch(&house, "m", 0, &[]), "0-0/1 2-2/2 3-3/1 a b c d");
    let said = [(0, 0, ACCEPT), (2, 2, ACCEPT), (3, 3, ACCEPT)];
    assert_eq!(acknowledge(&house, "m", 1, &said), "NONE NONE");
    // What is written with the last verdicts is where the share partition began then.
    assert_eq!(summary(&house), (0, 4));
    assert_eq!(fetch(&house, "m", 2, &[]), "");
}

#[test]
fn a_group_begins_where_its_configs_say() {
    for (policy, expect) in [("earliest", "0-0/1 a"), ("latest", "")] {
        let mut house = house();
        house.configure_group("g", "share.auto.offset.reset", policy);
        put(&house, &["a"]);
        initialize(&house, -1);
        assert_eq!(fetch(&house, "m", 0, &[]), expect, "{policy}");
    }
}

#[test]
fn records_of_aborted_transactions_are_nobodys_where_committed_ones_are_asked_for() {
    for (level, expect) in
        [("read_committed", "0-0/1 3-3/1 a b c"), ("read_uncommitted", "0-1/1 3-3/1 a b c")]
    {
        let mut house = house();
        house.transactions_topic();
        house.configure_group("g", "share.isolation.level", level);
        initialize(&house, 0);
        put(&house, &["a"]);
        let who = init(&house);
        add(&house, who, "t", &[0]);
        write(&house, who, 0, "b");
        end(&house, 4, who, false).expect("ended");
        put(&house, &["c"]);
        let told = fetch(&house, "m", 0, &[]);
        assert_eq!(told, expect, "{level}");
    }
}

#[test]
fn what_is_malformed_or_not_allowed_is_refused() {
    let mut house = house();
    initialize(&house, 0);
    put(&house, &["a"]);
    assert_eq!(fetch(&house, "m", 0, &[(0, 0, ACCEPT)]), "INVALID_REQUEST");
    assert_eq!(fetch(&house, "m", 1, &[]), "SHARE_SESSION_NOT_FOUND");
    assert_eq!(fetch(&house, "", 0, &[]), "INVALID_REQUEST");
    assert_eq!(fetch(&house, "m", 0, &[]), "0-0/1 a");
    assert_eq!(fetch(&house, "m", 1, &[(0, 0, 9)]), "INVALID_REQUEST");
    assert_eq!(acknowledge(&house, "m", 2, &[(3, 3, ACCEPT)]), "NONE INVALID_REQUEST");
    let renewing = ShareFetchRequest { is_renew_ack: true, ..request("m", 3, &[(0, 0, RENEW)]) };
    assert_eq!(told(&house.ask(2, renewing)), "INVALID_REQUEST");
    let mut unknown = request("m", 3, &[]);
    unknown.topics[0].topic_id = TopicId(ottla_wire::Uuid([3; 16]));
    assert_eq!(told(&house.ask(2, unknown)), "UNKNOWN_TOPIC_ID");
    house.replay(vec![feature("share.version", 0)]);
    assert_eq!(fetch(&house, "m", 4, &[]), "UNSUPPORTED_VERSION");
}

#[test]
fn another_leader_epoch_reads_the_state_anew() {
    let mut house = house();
    initialize(&house, 0);
    put(&house, &["a"]);
    assert_eq!(fetch(&house, "m", 0, &[]), "0-0/1 a");
    house.new_leader_epoch("t", 3);
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, ACCEPT)]), "NONE NOT_LEADER_OR_FOLLOWER");
    assert_eq!(fetch(&house, "m", 2, &[]), "0-0/1 a");
    assert_eq!(acknowledge(&house, "m", 3, &[(0, 0, ACCEPT)]), "NONE NONE");
}

/// A heartbeat of a member: its epoch, what it is assigned, how long until the next.
fn heartbeat(house: &House, member: &str, epoch: i32) -> String {
    let request = ShareGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: StrBytes::from(member.to_owned()),
        member_epoch: MemberEpoch(epoch),
        subscribed_topic_names: (epoch == 0).then(|| vec!["t".into()]),
        ..Default::default()
    };
    let told = house.ask(1, request);
    if told.error_code != ErrorCode::NONE {
        return told.error_code.name().to_owned();
    }
    let topics = told.assignment.iter().flat_map(|assignment| &assignment.topic_partitions);
    let indexes: Vec<i32> =
        topics.flat_map(|topic| topic.partitions.iter().map(|index| index.0)).collect();
    format!("{} {indexes:?}", told.member_epoch)
}

/// Start and lag of partition 0 of the topic, or why they are not told.
fn offsets(house: &House) -> String {
    offsets_of(house, None)
}

/// Where the group stands in partitions of topics, or in all.
fn offsets_of(house: &House, topics: Option<&[(&'static str, &[i32])]>) -> String {
    use describe_share_group_offsets_request as asked;
    let topics = topics.map(|topics| {
        let topics =
            topics.iter().map(|(name, partitions)| asked::DescribeShareGroupOffsetsRequestTopic {
                topic_name: (*name).into(),
                partitions: partitions.iter().copied().map(PartitionIndex).collect(),
                ..Default::default()
            });
        topics.collect()
    });
    let group = asked::DescribeShareGroupOffsetsRequestGroup {
        group_id: "g".into(),
        topics,
        ..Default::default()
    };
    let request = DescribeShareGroupOffsetsRequest { groups: vec![group], ..Default::default() };
    let group = house.ask(1, request).groups.remove(0);
    if group.error_code != ErrorCode::NONE {
        return group.error_code.name().to_owned();
    }
    let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
    let told: Vec<String> =
        partitions.map(|it| format!("{} lag {}", it.start_offset, it.lag)).collect();
    told.join(", ")
}

fn alter(house: &House, offset: i64) -> (ErrorCode, Vec<ErrorCode>) {
    use alter_share_group_offsets_request::{
        AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
    };
    let partition = AlterShareGroupOffsetsRequestPartition {
        start_offset: Offset(offset),
        ..Default::default()
    };
    let topic = AlterShareGroupOffsetsRequestTopic {
        topic_name: "t".into(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = AlterShareGroupOffsetsRequest {
        group_id: "g".into(),
        topics: vec![topic],
        ..Default::default()
    };
    let told = house.ask(0, request);
    let inner = told.responses.iter().flat_map(|topic| &topic.partitions);
    (told.error_code, inner.map(|it| it.error_code).collect())
}

fn delete_offsets(house: &House) -> (ErrorCode, Vec<ErrorCode>) {
    use delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
    let topic =
        DeleteShareGroupOffsetsRequestTopic { topic_name: "t".into(), ..Default::default() };
    let request = DeleteShareGroupOffsetsRequest {
        group_id: "g".into(),
        topics: vec![topic],
        ..Default::default()
    };
    let told = house.ask(0, request);
    (told.error_code, told.responses.iter().map(|topic| topic.error_code).collect())
}

fn describe(house: &House) -> String {
    let request = ShareGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
    let group = house.ask(1, request).groups.remove(0);
    match group.error_code {
        ErrorCode::NONE => format!("{} {} members", group.group_state, group.members.len()),
        error => error.name().to_owned(),
    }
}

fn delete_group(house: &House) -> ErrorCode {
    let request = DeleteGroupsRequest { groups_names: vec!["g".into()], ..Default::default() };
    house.ask(2, request).results[0].error_code
}

#[test]
fn a_member_joins_a_share_group_fetches_and_leaves() {
    let mut house = house();
    house.offsets_topic();
    house.configure_group("g", "share.auto.offset.reset", "earliest");
    put(&house, &["a", "b"]);
    assert_eq!(heartbeat(&house, "m", 0), "2 []");
    house.pass_ms(5_000);
    assert_eq!(heartbeat(&house, "m", 2), "3 [0]");
    assert_eq!(describe(&house), "Stable 1 members");
    assert_eq!(fetch(&house, "m", 0, &[]), "0-1/1 a b");
    assert_eq!(acknowledge(&house, "m", -1, &[(0, 0, ACCEPT)]), "NONE NONE");
    // What the end of the session gave back was written with the start that moved before.
    assert_eq!(offsets(&house), "1 lag 1");
    assert_eq!(alter(&house, 0).0, ErrorCode::NON_EMPTY_GROUP);
    assert_eq!(delete_offsets(&house).0, ErrorCode::NON_EMPTY_GROUP);
    assert_eq!(delete_group(&house), ErrorCode::NON_EMPTY_GROUP);
    let listed = house.ask(5, ListGroupsRequest::default()).groups.remove(0);
    assert_eq!((&*listed.group_type, &*listed.group_state), ("share", "Stable"));

    house.kill_and_restart();
    assert_eq!(heartbeat(&house, "m", 3), "3 []");
    assert_eq!(heartbeat(&house, "m", -1), "-1 []");
    assert_eq!(describe(&house), "Empty 0 members");
}

#[test]
fn a_share_group_has_no_offsets_of_readers_and_its_members_only_the_racks_that_they_name() {
    let mut house = house();
    house.offsets_topic();
    heartbeat(&house, "m", 0);
    let describe = |group: &'static str| {
        let group_ids = vec![group.into()];
        let request = ShareGroupDescribeRequest { group_ids, ..Default::default() };
        house.ask(1, request).groups.remove(0)
    };
    assert_eq!(describe("g").members[0].rack_id, None);
    let request = ShareGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "r".into(),
        rack_id: Some("east".into()),
        subscribed_topic_names: Some(vec!["t".into()]),
        ..Default::default()
    };
    assert_eq!(house.ask(1, request).error_code, ErrorCode::NONE);
    let mut racks: Vec<_> = describe("g").members.into_iter().map(|it| it.rack_id).collect();
    racks.sort();
    assert_eq!(racks, [None, Some("east".into())]);
    assert_eq!(describe("").error_code, ErrorCode::INVALID_GROUP_ID);
    let forget = OffsetDeleteRequest { group_id: "g".into(), ..Default::default() };
    assert_eq!(house.ask(0, forget).error_code, ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn offsets_of_a_share_group_are_altered_and_deleted_while_nobody_is_in_it() {
    let mut house = house();
    house.offsets_topic();
    house.configure_group("g", "share.auto.offset.reset", "earliest");
    put(&house, &["a"]);
    put(&house, &["b"]);
    heartbeat(&house, "m", 0);
    assert_eq!(fetch(&house, "m", 0, &[]), "0-1/1 a b");
    assert_eq!(acknowledge(&house, "m", -1, &[(0, 1, ACCEPT)]), "NONE NONE");
    heartbeat(&house, "m", -1);
    assert_eq!(alter(&house, 1), (ErrorCode::NONE, vec![ErrorCode::NONE]));
    assert_eq!(offsets(&house), "1 lag 1");
    let by_name: &[(&str, &[i32])] = &[("none", &[0]), ("t", &[7, 0])];
    assert_eq!(offsets_of(&house, Some(by_name)), "-1 lag -1, -1 lag -1, 1 lag 1");
    house.pass_ms(1_000);
    assert_eq!(heartbeat(&house, "n", 0), "4 [0]");
    assert_eq!(fetch(&house, "n", 0, &[]), "1-1/1 b");
    assert_eq!(acknowledge(&house, "n", -1, &[]), "NONE");
    heartbeat(&house, "n", -1);
    assert_eq!(delete_offsets(&house), (ErrorCode::NONE, vec![ErrorCode::NONE]));
    assert_eq!(offsets(&house), "");
    assert_eq!(delete_group(&house), ErrorCode::NONE);
    assert_eq!(offsets(&house), "");
    assert_eq!(describe(&house), "GROUP_ID_NOT_FOUND");
}

#[test]
fn the_home_of_share_state_is_asked_for_by_the_first_member() {
    let mut house = House::with(&[]);
    house.replay(vec![feature("share.version", 1)]);
    house.topic("t", 1, &[]);
    house.offsets_topic();
    let waiting = house.begin(
        1,
        ShareGroupHeartbeatRequest {
            group_id: "g".into(),
            member_id: "m".into(),
            subscribed_topic_names: Some(vec!["t".into()]),
            ..Default::default()
        },
    );
    house.pass_ms(200);
    assert!(!waiting.is_done());
    let asked_for = house.controller.created.lock().unwrap().first().cloned();
    assert_eq!(asked_for.as_deref(), Some("__share_group_state"));
    house.topic("__share_group_state", 3, &[("cleanup.policy", "delete")]);
    house.pass_ms(200);
    let Got::Answer(told) = waiting.answer() else { panic!("an answer was due") };
    assert_eq!(told.error_code, ErrorCode::NONE);
    house.pass_ms(1_000);
    assert_eq!(heartbeat(&house, "m", 2), "3 [0]");
}

#[test]
fn configs_of_share_groups_hold_for_one_or_for_all() {
    let mut house =
        House::with(&["group.share.heartbeat.interval.ms=6000", "group.share.max.size=1"]);
    house.replay(vec![feature("share.version", 1)]);
    house.topic("t", 1, &[]);
    house.offsets_topic();
    house.topic("__share_group_state", 1, &[("cleanup.policy", "delete")]);
    house.configure_group("g", "share.heartbeat.interval.ms", "7000");
    house.configure_group("g", "share.session.timeout.ms", "50000");
    house.configure_group("g", "share.assignment.interval.ms", "10000");
    let join = |group: &'static str, member: &'static str| {
        let request = ShareGroupHeartbeatRequest {
            group_id: group.into(),
            member_id: member.into(),
            subscribed_topic_names: Some(vec!["t".into()]),
            ..Default::default()
        };
        let told = house.ask(1, request);
        (told.error_code, told.heartbeat_interval_ms)
    };
    assert_eq!(join("g", "m"), (ErrorCode::NONE, 7_000));
    assert_eq!(join("other", "m"), (ErrorCode::NONE, 6_000));
    assert_eq!(join("g", "n").0, ErrorCode::GROUP_MAX_SIZE_REACHED);
    house.pass_ms(5_000);
    assert_eq!(heartbeat(&house, "m", 2), "2 []", "another assignment is not due yet");
    house.pass_ms(6_000);
    assert_eq!(heartbeat(&house, "m", 2), "3 [0]");
    house.pass_ms(49_000);
    assert_eq!(describe(&house), "Stable 1 members");
    house.pass_ms(2_000);
    assert_eq!(describe(&house), "Empty 0 members");
}

#[test]
fn share_partitions_go_by_the_configs_of_their_group() {
    let mut house = House::with(&["group.share.max.size=2", "group.share.max.share.sessions=2"]);
    house.replay(vec![feature("share.version", 1)]);
    house.topic("t", 1, &[]);
    house.topic("__share_group_state", 1, &[("cleanup.policy", "delete")]);
    house.configure_group("g", "share.record.lock.duration.ms", "20000");
    house.configure_group("g", "share.delivery.count.limit", "2");
    house.configure_group("g", "share.partition.max.record.locks", "100");
    house.configure_group("g", "share.renew.acknowledge.enable", "false");
    initialize(&house, 0);
    for _ in 0..101 {
        put(&house, &["a"]);
    }
    let first = house.ask(2, request("m", 0, &[]));
    assert_eq!(first.acquisition_lock_timeout_ms, 20_000);
    let acquired = &first.responses[0].partitions[0].acquired_records;
    assert_eq!(acquired.iter().map(|it| it.last_offset.0).max(), Some(99), "no more than allowed");
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, RENEW)]), "NONE INVALID_RECORD_STATE");
    house.pass_ms(20_100);
    let second = house.ask(2, request("n", 0, &[]));
    assert_eq!(second.responses[0].partitions[0].acquired_records[0].delivery_count, 2);
    assert_eq!(fetch(&house, "o", 0, &[]), "SHARE_SESSION_LIMIT_REACHED");
    house.pass_ms(20_100);
    assert_eq!(fetch(&house, "m", 2, &[]), "100-100/1 a", "twice is enough for the others");
}
