//! Fetch (1), v4-18: reads batches from the offset on, and waits for them where there are none.
//! v5 log start; v7 sessions (KIP-227); v9 leader epochs (KIP-320); v11 rack; v12 flexible and the
//! last fetched epoch, which finds diverging logs; v13 topic ids; v15 replica state; v16 the new
//! leader in the answer (KIP-951); v17 directory ids; v18 the asker's high watermark.
//! An answer leaves at once when it holds an error or enough bytes; otherwise it waits in the
//! partitions' parkings until enough has come or the time is up. Records are ranges of files, so
//! that they go from the page cache to the socket.
//! Not served: reading from a nearer replica, replicas' fetches of a cluster.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_env::Instant;
use ottla_net::Wait;
use ottla_security::{Operation, Resource};
use ottla_storage::{Log, ReadError, Slice};
use ottla_wire::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use ottla_wire::messages::{FetchRequest, FetchResponse};
use ottla_wire::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, Records, StrBytes, TopicId,
};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::fetch_sessions::{Asked, Plan, Told, TopicKey, Wanted};
use crate::partition::{Isolation, Partition};

/// From this version on a disk that fails has a code of its own.
const STORAGE_ERROR_SINCE: i16 = 6;
/// From this version on topics come by id.
const IDS_SINCE: i16 = 13;
/// From this version on a refusal says who leads now.
const LEADERS_SINCE: i16 = 16;
/// `isolation_level` of a reader that wants committed records only.
const READ_COMMITTED: i8 = 1;
const UNKNOWN: Offset = Offset(-1);

/// What one partition answers, and where it would wait.
struct Piece {
    data: PartitionData,
    /// The partition and the end up to which it was read.
    source: Option<(Arc<Partition>, Offset)>,
    /// The end of a segment cut the records off: there are more, and no append will tell.
    is_cut: bool,
}

impl Piece {
    /// An answer that is not worth waiting with.
    fn at_once(data: PartitionData) -> Piece {
        Piece { data, source: None, is_cut: false }
    }

    fn bytes(&self) -> usize {
        self.data.records.as_ref().map_or(0, Records::len)
    }
}

/// One request from its arrival to its answer.
struct Fetching {
    ctx: Ctx,
    plan: Plan,
    isolation: Isolation,
    /// The broker that follows, where it is no client that asks.
    follower: Option<BrokerId>,
    min_bytes: usize,
    max_bytes: usize,
    deadline: Instant,
}

pub(crate) async fn handle(ctx: Ctx, request: FetchRequest) -> Answer<FetchResponse> {
    let env = &ctx.rooms.env;
    let asked = asked(&ctx, &request);
    let plan = match ctx.rooms.fetch_sessions.open(asked, ctx.now(), || env.random_u64()) {
        Ok(plan) => plan,
        Err(error_code) => return FetchResponse { error_code, ..Default::default() }.into(),
    };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let fetching = Fetching {
        isolation: isolation(&request),
        follower: follower(&request),
        min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(ctx.rooms.fetch_bytes_max),
        deadline: env.monotonic() + wait,
        plan,
        ctx,
    };
    let pieces = fetching.read().await;
    if wait.is_zero() || fetching.is_enough(&pieces) {
        return fetching.answer(pieces).into();
    }
    Answer::Later(Box::pin(fetching.wait(pieces)))
}

fn asked(ctx: &Ctx, request: &FetchRequest) -> Asked {
    let uses_topic_ids = ctx.version >= IDS_SINCE;
    let key = |id: TopicId, name: &StrBytes| {
        if uses_topic_ids { TopicKey::Id(id) } else { TopicKey::Name(Arc::from(&**name)) }
    };
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let key = key(topic.topic_id, &topic.topic);
        wanted.extend(topic.partitions.iter().map(|partition| Wanted {
            topic: key.clone(),
            index: partition.partition,
            leader_epoch: partition.current_leader_epoch,
            offset: partition.fetch_offset,
            last_fetched_epoch: partition.last_fetched_epoch,
            log_start: partition.log_start_offset,
            max_bytes: partition.partition_max_bytes,
        }));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let key = key(topic.topic_id, &topic.topic);
        forgotten.extend(topic.partitions.iter().map(|index| (key.clone(), *index)));
    }
    Asked {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        uses_topic_ids,
        wanted,
        forgotten,
    }
}

fn follower(request: &FetchRequest) -> Option<BrokerId> {
    let id = request.replica_id.max(request.replica_state.replica_id);
    (id >= BrokerId(0)).then_some(id)
}

fn isolation(request: &FetchRequest) -> Isolation {
    if follower(request).is_some() {
        Isolation::Replica
    } else if request.isolation_level == READ_COMMITTED {
        Isolation::ReadCommitted
    } else {
        Isolation::ReadUncommitted
    }
}

impl Fetching {
    /// Reads every partition in order, within the limits of the request.
    async fn read(&self) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(self.plan.wanted.len());
        let mut left = self.max_bytes;
        let mut is_first = true;
        for wanted in &self.plan.wanted {
            let piece = match self.read_one(wanted, left, is_first).await {
                Ok(piece) => piece,
                Err(error) => Piece::at_once(refused(wanted.index, self.code(error))),
            };
            let bytes = piece.bytes();
            left = left.saturating_sub(bytes);
            is_first &= bytes == 0;
            pieces.push(piece);
        }
        pieces
    }

    async fn read_one(
        &self,
        wanted: &Wanted,
        left: usize,
        is_first: bool,
    ) -> Result<Piece, ErrorCode> {
        let partition = self.find(wanted)?;
        if let Err(error) = partition.check_leader(wanted.leader_epoch) {
            return Ok(self.redirected(wanted.index, &partition, error));
        }
        if let Err(error) = self.check_follower(&partition, wanted.leader_epoch) {
            let refused = refused(wanted.index, error);
            return Ok(Piece::at_once(PartitionData { aborted_transactions: None, ..refused }));
        }
        let log = &partition.log();
        let end = partition.readable_end(self.isolation);
        let mut data = PartitionData {
            partition_index: wanted.index,
            high_watermark: partition.high_watermark(),
            last_stable_offset: partition.readable_end(Isolation::ReadCommitted),
            log_start_offset: log.start(),
            records: Some(Records::Bytes(Bytes::new())),
            aborted_transactions: (self.isolation == Isolation::ReadCommitted).then(Vec::new),
            ..Default::default()
        };
        let is_beyond = wanted.offset < log.start() || wanted.offset > log.end();
        match diverging(&partition, wanted) {
            Some(diverging) if diverging.epoch >= LeaderEpoch(0) => {
                data.diverging_epoch = diverging;
                return Ok(Piece::at_once(data));
            }
            // An epoch that this log has never heard of.
            None if !is_beyond => {}
            _ => {
                let refused = refused(wanted.index, ErrorCode::OFFSET_OUT_OF_RANGE);
                let data = PartitionData { aborted_transactions: None, ..refused };
                return Ok(Piece::at_once(data));
            }
        }
        let max_bytes = left.min(usize::try_from(wanted.max_bytes).unwrap_or(0));
        let mut is_cut = false;
        if max_bytes > 0 || is_first {
            let slice = read(&self.ctx, log, wanted.offset, max_bytes, end, is_first).await?;
            if self.isolation == Isolation::ReadCommitted {
                let aborted = log.aborted_in(wanted.offset, &slice).map_err(ReadError::from);
                let mut aborted = aborted.map_err(|error| error.code())?;
                // Apache Kafka tells them as they ended. KafkaJS takes them for told as they began,
                // and would let through what is aborted before one that began later.
                aborted.sort_unstable_by_key(|one| one.first_offset);
                let aborted = aborted.into_iter().map(|aborted| AbortedTransaction {
                    producer_id: aborted.producer_id,
                    first_offset: aborted.first_offset,
                    ..Default::default()
                });
                data.aborted_transactions = Some(aborted.collect());
            }
            is_cut = self.min_bytes > slice.records.len() && is_cut_by_segment(log, &slice, end);
            data.records = Some(slice.records);
        }
        Ok(Piece { data, source: Some((partition, end)), is_cut })
    }

    /// Whether the partition has a replica on the broker that asks. A broker that knows the epoch
    /// may know of a replica that this one has not heard of yet.
    fn check_follower(&self, of: &Partition, known: LeaderEpoch) -> Result<(), ErrorCode> {
        let Some(id) = self.follower else { return Ok(()) };
        let image = self.ctx.image();
        let topic = image.topic(of.topic_id);
        let assigned = topic.and_then(|topic| topic.partitions.get(&of.index));
        match assigned.is_some_and(|assigned| assigned.replicas.contains(&id)) {
            true => Ok(()),
            false if known >= LeaderEpoch(0) => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
            false => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        }
    }

    /// The code as clients of the request's version know it.
    fn code(&self, error: ErrorCode) -> ErrorCode {
        let is_known = self.ctx.version >= STORAGE_ERROR_SINCE;
        match error {
            ErrorCode::KAFKA_STORAGE_ERROR if !is_known => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            error => error,
        }
    }

    fn find(&self, wanted: &Wanted) -> Result<Arc<Partition>, ErrorCode> {
        let partitions = &self.ctx.rooms.partitions;
        let (id, name) = match &wanted.topic {
            TopicKey::Id(id) => {
                (*id, partitions.topic_name(*id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?)
            }
            TopicKey::Name(name) => {
                if !self.may_read(name) {
                    return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
                }
                return partitions.find_named(name, wanted.index);
            }
        };
        if !self.may_read(&name) {
            return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        partitions.find(id, wanted.index)
    }

    /// Whether the asker may read a topic; what is not committed is for the cluster's own nodes.
    fn may_read(&self, topic: &str) -> bool {
        match self.isolation {
            Isolation::Replica => self.ctx.allows(Operation::ClusterAction, Resource::Cluster),
            _ => self.ctx.allows(Operation::Read, Resource::Topic(topic)),
        }
    }

    fn redirected(&self, index: PartitionIndex, partition: &Partition, error: ErrorCode) -> Piece {
        let mut data = PartitionData { aborted_transactions: None, ..refused(index, error) };
        let is_moved =
            matches!(error, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH);
        if is_moved && self.ctx.version >= LEADERS_SINCE {
            let (leader, leader_epoch) = partition.leader();
            let leader_id = leader.unwrap_or(BrokerId(-1));
            data.current_leader =
                LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
        }
        Piece::at_once(data)
    }

    /// Whether an answer must not wait any longer.
    fn is_enough(&self, pieces: &[Piece]) -> bool {
        let bytes: usize = pieces.iter().map(Piece::bytes).sum();
        bytes >= self.min_bytes
            || pieces.is_empty()
            || pieces.iter().any(|piece| piece.source.is_none() || piece.is_cut)
    }

    /// Waits until there is enough or the time is up, without looking in between.
    async fn wait(self, mut pieces: Vec<Piece>) -> FetchResponse {
        let env = self.ctx.rooms.env.clone();
        loop {
            let bytes: usize = pieces.iter().map(Piece::bytes).sum();
            let missing = self.min_bytes.saturating_sub(bytes);
            let wait = Wait::new(i64::try_from(missing).unwrap_or(i64::MAX));
            let sources = || pieces.iter().filter_map(|piece| piece.source.as_ref());
            for (partition, _) in sources() {
                partition.park(&wait);
            }
            let moved =
                sources().any(|(partition, end)| partition.readable_end(self.isolation) != *end);
            let left = self.deadline - env.monotonic();
            let is_late = !moved && env.timeout(left, wait.done()).await.is_err();
            pieces = self.read().await;
            if is_late || self.is_enough(&pieces) || env.monotonic() >= self.deadline {
                return self.answer(pieces);
            }
        }
    }

    /// The answer: in a session only what has news, topics grouped in the order of the pieces.
    fn answer(&self, pieces: Vec<Piece>) -> FetchResponse {
        let mut responses: Vec<FetchableTopicResponse> = Vec::new();
        let mut last: Option<&TopicKey> = None;
        let mut leaders = BTreeSet::new();
        for (wanted, piece) in self.plan.wanted.iter().zip(pieces) {
            if self.isolation != Isolation::Replica
                && let Some((partition, _)) = &piece.source
            {
                partition.traffic().fetched(piece.bytes() as u64);
            }
            let told = Told {
                high_watermark: piece.data.high_watermark,
                log_start: piece.data.log_start_offset,
            };
            let has_news = piece.source.is_none() || piece.bytes() > 0;
            if !self.ctx.rooms.fetch_sessions.tell(&self.plan, wanted, told, has_news) {
                continue;
            }
            if piece.data.current_leader.leader_id >= BrokerId(0) {
                leaders.insert(piece.data.current_leader.leader_id);
            }
            if last != Some(&wanted.topic) {
                last = Some(&wanted.topic);
                responses.push(topic_response(&wanted.topic));
            }
            if let Some(topic) = responses.last_mut() {
                topic.partitions.push(piece.data);
            }
        }
        let node_endpoints = self.ctx.endpoints(&leaders, |broker, endpoint| NodeEndpoint {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            ..Default::default()
        });
        let session_id = self.plan.session_id();
        FetchResponse { session_id, responses, node_endpoints, ..Default::default() }
    }
}

/// Whether a slice ends with its segment while there is more below `end` in the next one.
fn is_cut_by_segment(log: &Log, slice: &Slice, end: Offset) -> bool {
    if slice.records.is_empty() {
        return false;
    }
    let last = Offset(end.0.saturating_sub(1));
    let behind = log.try_read(last, 0, end, false);
    behind.is_ok_and(|behind| behind.segment != slice.segment)
}

/// Reads what is in memory at once, and what is not on a thread that may wait for the disk.
async fn read(
    ctx: &Ctx,
    log: &Arc<Log>,
    from: Offset,
    max_bytes: usize,
    until: Offset,
    at_least_one: bool,
) -> Result<Slice, ErrorCode> {
    let read = match log.try_read(from, max_bytes, until, at_least_one) {
        Err(ReadError::Cold) => {
            let log = Arc::clone(log);
            let cold = move || log.read(from, max_bytes, until, at_least_one);
            ctx.rooms.env.blocking(cold).await
        }
        read => read,
    };
    read.map_err(|error| error.code())
}

fn topic_response(topic: &TopicKey) -> FetchableTopicResponse {
    match topic {
        TopicKey::Id(id) => FetchableTopicResponse { topic_id: *id, ..Default::default() },
        TopicKey::Name(name) => {
            FetchableTopicResponse { topic: StrBytes::copied(name), ..Default::default() }
        }
    }
}

fn refused(partition_index: PartitionIndex, error_code: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index,
        error_code,
        high_watermark: UNKNOWN,
        last_stable_offset: UNKNOWN,
        log_start_offset: UNKNOWN,
        records: Some(Records::Bytes(Bytes::new())),
        ..Default::default()
    }
}

/// Where the asker's log and this one part, when they do.
fn diverging(partition: &Partition, wanted: &Wanted) -> Option<EpochEndOffset> {
    if wanted.last_fetched_epoch < LeaderEpoch(0) {
        return None;
    }
    let known = partition.log().end_offset_for_epoch(wanted.last_fetched_epoch);
    let agrees = known.epoch == wanted.last_fetched_epoch && known.end >= wanted.offset;
    let diverging =
        EpochEndOffset { epoch: known.epoch, end_offset: known.end, ..Default::default() };
    (!agrees).then_some(diverging)
}
