//! ShareFetch (78), v1-2: acquires records for a member of a share group, and takes its
//! acknowledgements along (KIP-932). v1 limits of records and batches; v2 the acquire mode
//! (KIP-1206), and renewed locks (KIP-1222): a request that brings those fetches nothing.
//! Partitions are named once in a session (share_sessions.rs); an answer holds those with news. It
//! leaves as soon as anything was acquired, for which `min_bytes` of all partitions together are
//! waited for, else when the time is up. Not served: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_env::Instant;
use ottla_net::Wait;
use ottla_security::{Operation, Resource};
use ottla_share::{Acquiring, Mode};
use ottla_wire::messages::share_fetch_response::{
    AcquiredRecords, LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareFetchableTopicResponse,
};
use ottla_wire::messages::{ShareFetchRequest, ShareFetchResponse};
use ottla_wire::{BrokerId, ErrorCode, Records, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_acknowledgements::{self, Said};
use crate::share_groups::is_early;
use crate::share_partitions::{Got, HostedShare, Terms};
use crate::share_sessions::{FINAL_EPOCH, INITIAL_EPOCH, Place, Who};

/// `share_acquire_mode` of a strict limit.
const RECORD_LIMIT: i8 = 1;
/// How soon a share partition is asked again whose coordinator is not ready.
const COORDINATOR_PAUSE: Duration = Duration::from_millis(100);

/// One request from its arrival to its answer.
struct Fetching {
    ctx: Ctx,
    group: StrBytes,
    terms: Terms,
    asked: Acquiring,
    max_bytes: usize,
    min_bytes: usize,
    deadline: Instant,
    /// What to fetch, in order.
    places: Vec<Place>,
    /// What became of acknowledgements, refusals, and what was acquired.
    told: BTreeMap<Place, PartitionData>,
    /// Brokers that clients are sent to.
    leaders: BTreeSet<BrokerId>,
}

/// What one look at all partitions has come to.
struct Look {
    wait: Arc<Wait>,
    /// There is something to say.
    has_news: bool,
    /// A coordinator was not ready: nothing will tell when it is.
    is_early: bool,
}

pub(crate) async fn handle(ctx: Ctx, request: ShareFetchRequest) -> Answer<ShareFetchResponse> {
    let refused = |error_code: ErrorCode| ShareFetchResponse {
        error_code,
        error_message: Some(StrBytes::from(error_code.message())),
        ..Default::default()
    };
    let (who, said) = match checked(&ctx, &request) {
        Ok(checked) => checked,
        Err(error) => return refused(error).into(),
    };
    let rooms = Arc::clone(&ctx.rooms);
    let added = places(&request);
    let forgotten: Vec<Place> = request
        .forgotten_topics_data
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index)))
        .collect();
    let (sessions, epoch) = (&rooms.share_partitions.sessions, request.share_session_epoch);
    let places = match sessions.fetch(&who, ctx.connection.id, epoch, &added, &forgotten) {
        Ok(places) => places,
        Err(error) => return refused(error).into(),
    };
    let terms = rooms.configs.share_terms(&rooms.image.borrow(), &who.group);
    let env = &rooms.env;
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let is_record_limit = ctx.version >= 2 && request.share_acquire_mode == RECORD_LIMIT;
    let fetching = Fetching {
        asked: Acquiring {
            member: who.member.clone(),
            mode: if is_record_limit { Mode::RecordLimit } else { Mode::BatchOptimized },
            records_max: i64::from(request.max_records),
            batch_size: i64::from(request.batch_size.max(1)),
        },
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(rooms.fetch_bytes_max),
        min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
        deadline: env.monotonic() + wait,
        places: if request.is_renew_ack { Vec::new() } else { places },
        told: BTreeMap::new(),
        leaders: BTreeSet::new(),
        group: who.group.clone(),
        terms,
        ctx,
    };
    Answer::Later(Box::pin(fetching.run(who, said, epoch == FINAL_EPOCH)))
}

/// Who asks, and what is said of records.
fn checked(ctx: &Ctx, request: &ShareFetchRequest) -> Result<(Who, Vec<Said>), ErrorCode> {
    if !ctx.rooms.serves_share_groups() {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let group = request.group_id.as_deref().unwrap_or_default();
    if !ctx.allows(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    let member = request.member_id.as_deref().unwrap_or_default();
    let topics = request.topics.iter();
    let said = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter();
        let said = partitions.filter(|partition| !partition.acknowledgement_batches.is_empty());
        said.map(|partition| {
            let batches = partition.acknowledgement_batches.iter();
            let batches =
                batches.map(|it| (it.first_offset, it.last_offset, &*it.acknowledge_types));
            let place = (topic.topic_id, partition.partition_index);
            (place, share_acknowledgements::read(batches, request.is_renew_ack))
        })
    });
    let said: Vec<Said> = said.collect();
    let is_first = request.share_session_epoch == INITIAL_EPOCH;
    let wants = request.max_bytes > 0
        || request.min_bytes > 0
        || request.max_records > 0
        || request.max_wait_ms > 0;
    // Locks are renewed by a request that does nothing else (KIP-1222), and the first request has
    // nothing to acknowledge.
    if group.is_empty()
        || member.is_empty()
        || (is_first && !said.is_empty())
        || (request.is_renew_ack && wants)
    {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    Ok((Who::copied(group, member), said))
}

/// The partitions that a request names.
fn places(request: &ShareFetchRequest) -> Vec<Place> {
    let topics = request.topics.iter();
    topics
        .flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|partition| (topic.topic_id, partition.partition_index))
        })
        .collect()
}

impl Fetching {
    /// Acknowledges, then fetches until there is something or the time is up.
    async fn run(mut self, who: Who, said: Vec<Said>, is_last: bool) -> ShareFetchResponse {
        let rooms = Arc::clone(&self.ctx.rooms);
        let begun = rooms.env.monotonic();
        self.acknowledge(&who, said).await;
        if is_last {
            rooms.share_partitions.ended(&rooms, &rooms.share_partitions.sessions.end(&who));
            return self.answer();
        }
        loop {
            let is_late = (self.deadline - rooms.env.monotonic()).is_zero();
            let look = self.look(is_late).await;
            if look.has_news || is_late || self.places.is_empty() {
                self.count(&look, rooms.env.monotonic() - begun);
                return self.answer();
            }
            let left = self.deadline - rooms.env.monotonic();
            let left = if look.is_early { left.min(COORDINATOR_PAUSE) } else { left };
            // Whether it was woken or is late: it looks once more.
            let _ = rooms.env.timeout(left, look.wait.done()).await;
        }
    }

    /// What the wait has come to.
    fn count(&self, look: &Look, waited: Duration) {
        let traffic = &self.ctx.rooms.share_partitions.traffic;
        if self.told.values().any(|data| !data.acquired_records.is_empty()) {
            traffic.acquires.took(waited);
        } else if !look.has_news && !self.places.is_empty() {
            traffic.expired.one();
        }
    }

    async fn acknowledge(&mut self, who: &Who, said: Vec<Said>) {
        for (place, read) in said {
            let result = match read {
                Ok(said) => {
                    let (ctx, terms) = (&self.ctx, &self.terms);
                    share_acknowledgements::acknowledge(ctx, terms, who, place, &said).await
                }
                Err(error) => Err(error),
            };
            let data = self.data(place);
            if let Err(error) = result {
                data.acknowledge_error_code = error;
                data.acknowledge_error_message = Some(StrBytes::from(error.message()));
            }
        }
    }

    /// Looks at every partition once.
    async fn look(&mut self, is_late: bool) -> Look {
        let wait = Wait::new(1);
        let mut look = Look { wait, has_news: !self.told.is_empty(), is_early: false };
        if !is_late && !look.has_news && self.min_bytes > 1 && !self.has_enough(&look.wait).await {
            return look;
        }
        let mut left = self.max_bytes;
        let records_max = self.asked.records_max;
        for place in self.places.clone() {
            if self.asked.records_max <= 0 || left == 0 {
                break;
            }
            let share = match self.find(place) {
                Ok(share) => share,
                Err(error) => {
                    self.refuse(place, error);
                    look.has_news = true;
                    continue;
                }
            };
            share.park(&look.wait);
            let rooms = &self.ctx.rooms;
            share.partition.traffic().share_fetched();
            match share.fetch(rooms, &self.terms, &self.asked, left).await {
                Ok(got) if got.acquired.is_empty() => {}
                Ok(got) => {
                    let given: i64 = got.acquired.iter().map(|it| it.last.next() - it.first).sum();
                    self.asked.records_max -= given;
                    left = left.saturating_sub(got.records.len());
                    self.tell(place, got);
                    look.has_news = true;
                }
                Err(error) if is_early(error) => {
                    rooms.prepare_share_home();
                    look.is_early = true;
                }
                Err(error) => {
                    let fenced: Result<(), ErrorCode> = Err(error);
                    share_acknowledgements::drop_if_fenced(&self.ctx, &share, &fenced);
                    self.refuse(place, error);
                    look.has_news = true;
                }
            }
        }
        self.asked.records_max = records_max;
        look
    }

    /// Whether there are as many bytes to acquire from as the member waits for. What cannot be told
    /// of a partition is told when it is looked at.
    async fn has_enough(&self, wait: &Arc<Wait>) -> bool {
        let mut available = 0_usize;
        for place in &self.places {
            let Ok(share) = self.find(*place) else { return true };
            share.park(wait);
            let bytes = share.available(&self.ctx.rooms, &self.terms, self.max_bytes).await;
            let Ok(bytes) = bytes else { return true };
            available = available.saturating_add(bytes);
            if available >= self.min_bytes.min(self.max_bytes) {
                return true;
            }
        }
        false
    }

    fn find(&self, (id, index): Place) -> Result<Arc<HostedShare>, ErrorCode> {
        let rooms = &self.ctx.rooms;
        let name = rooms.partitions.topic_name(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        if !self.ctx.allows(Operation::Read, Resource::Topic(&name)) {
            return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        let partition = rooms.partitions.find(id, index)?;
        rooms.share_partitions.of(&self.group, &partition)
    }

    fn data(&mut self, place: Place) -> &mut PartitionData {
        self.told.entry(place).or_insert_with(|| PartitionData {
            partition_index: place.1,
            records: Records::Bytes(Bytes::new()),
            ..Default::default()
        })
    }

    fn refuse(&mut self, place: Place, error: ErrorCode) {
        self.ctx.rooms.partitions.traffic(place.0).share_fetch_refused();
        let leader = share_acknowledgements::leader(&self.ctx, place, error);
        self.leaders.extend(leader.map(|(id, _)| id));
        let data = self.data(place);
        data.error_code = error;
        data.error_message = Some(StrBytes::from(error.message()));
        if let Some((leader_id, leader_epoch)) = leader {
            data.current_leader =
                LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
        }
    }

    fn tell(&mut self, place: Place, got: Got) {
        let acquired = got.acquired.iter().map(|it| AcquiredRecords {
            first_offset: it.first,
            last_offset: it.last,
            delivery_count: it.count,
            ..Default::default()
        });
        let acquired = acquired.collect();
        let data = self.data(place);
        data.records = Records::Bytes(got.records);
        data.acquired_records = acquired;
    }

    fn answer(self) -> ShareFetchResponse {
        let mut responses: Vec<ShareFetchableTopicResponse> = Vec::new();
        for ((topic_id, _), data) in self.told {
            match responses.last_mut().filter(|last| last.topic_id == topic_id) {
                Some(last) => last.partitions.push(data),
                None => responses.push(ShareFetchableTopicResponse {
                    topic_id,
                    partitions: vec![data],
                    ..Default::default()
                }),
            }
        }
        let node_endpoints = self.ctx.endpoints(&self.leaders, |broker, endpoint| NodeEndpoint {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            ..Default::default()
        });
        ShareFetchResponse {
            acquisition_lock_timeout_ms: i32::try_from(self.terms.rules.lock_ms)
                .unwrap_or(i32::MAX),
            responses,
            node_endpoints,
            ..Default::default()
        }
    }
}
