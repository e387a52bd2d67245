//! Tells the controller in which log directory each replica is (AssignReplicasToDirs, KIP-858).
//!
//! What differs from the metadata is queued here by whoever finds it. Must hold: one request is
//! under way at a time; a refusal or a silent controller is met by waiting longer each time; what
//! the metadata has overtaken is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_env::Tasks;
use ottla_metadata::Image;
use ottla_wire::messages::assign_replicas_to_dirs_request as asked;
use ottla_wire::messages::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use ottla_wire::{BrokerId, DirectoryId, ErrorCode, PartitionIndex, TopicId};
use tokio::sync::{Notify, oneshot};

use crate::context::Rooms;

const ASSIGN_REPLICAS_TO_DIRS_VERSION: i16 = 0;
/// How many replicas one request tells (`AssignReplicasToDirsRequest.MAX_ASSIGNMENTS_PER_REQUEST`).
const ASSIGNMENTS_MAX: usize = 2_250;
/// What is found together is told together; after failures the wait doubles up to the maximum.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);

type Key = (TopicId, PartitionIndex);

/// What the controller is yet to be told.
#[derive(Default)]
pub(crate) struct Assignments {
    /// By replica, so that there are never more than replicas.
    queue: Mutex<BTreeMap<Key, Wanted>>,
    is_due: Notify,
}

struct Wanted {
    directory: DirectoryId,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Assignments {
    /// Lets the controller know that a replica is in this directory.
    pub(crate) fn tell(&self, key: Key, directory: DirectoryId) {
        self.put(key, directory, None);
    }

    /// As `tell`; ends with true when the controller has taken it over, with false when that is
    /// not to be, because the topic was deleted or the replica went elsewhere.
    pub(crate) async fn told(&self, key: Key, directory: DirectoryId) -> bool {
        let (tell, told) = oneshot::channel();
        self.put(key, directory, Some(tell));
        told.await.is_ok()
    }

    fn put(&self, key: Key, directory: DirectoryId, waiting: Option<oneshot::Sender<()>>) {
        let mut queue = self.queue();
        let wanted = queue.entry(key).or_insert(Wanted { directory, waiting: Vec::new() });
        if wanted.directory != directory {
            *wanted = Wanted { directory, waiting: Vec::new() };
        }
        wanted.waiting.extend(waiting);
        drop(queue);
        self.is_due.notify_one();
    }

    /// What one request tells: what the image does not know yet.
    fn next(&self, image: &Image, me: BrokerId) -> Vec<(Key, DirectoryId)> {
        let mut queue = self.queue();
        queue.retain(|(topic, index), wanted| {
            let topic = image.topic(*topic);
            let partition = topic.and_then(|topic| topic.partitions.get(index));
            let known = partition.and_then(|partition| partition.directory(me));
            if known == Some(wanted.directory) {
                answer(std::mem::take(&mut wanted.waiting));
            }
            known.is_some_and(|known| known != wanted.directory)
        });
        let all = queue.iter().map(|(key, wanted)| (*key, wanted.directory));
        all.take(ASSIGNMENTS_MAX).collect()
    }

    /// Takes over what the controller has; answers whether that was everything it was told.
    fn took(&self, told: &[(Key, DirectoryId)], response: &AssignReplicasToDirsResponse) -> bool {
        let mut queue = self.queue();
        let mut all = true;
        for directory in &response.directories {
            for topic in &directory.topics {
                for partition in &topic.partitions {
                    let key = (topic.topic_id, partition.partition_index);
                    if partition.error_code != ErrorCode::NONE {
                        all = false;
                        let (code, directory) = (partition.error_code.name(), directory.id);
                        tracing::info!(topic = %key.0, partition = key.1.0, %directory, code,
                            "the controller does not take a replica's directory yet");
                        continue;
                    }
                    let is_same = |wanted: &Wanted| wanted.directory == directory.id;
                    if told.contains(&(key, directory.id))
                        && queue.get(&key).is_some_and(is_same)
                        && let Some(wanted) = queue.remove(&key)
                    {
                        answer(wanted.waiting);
                    }
                }
            }
        }
        all
    }

    fn queue(&self) -> MutexGuard<'_, BTreeMap<Key, Wanted>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets those go on who wait until the controller knows.
fn answer(waiting: Vec<oneshot::Sender<()>>) {
    for waiting in waiting {
        // Whoever waited may have gone.
        let _ = waiting.send(());
    }
}

/// Starts the one task that tells.
pub(crate) fn spawn(rooms: &Arc<Rooms>, tasks: &Tasks) {
    tasks.spawn("directories of replicas", tell_all(Arc::clone(rooms)));
}

async fn tell_all(rooms: Arc<Rooms>) {
    let mut wait = WAIT_MIN;
    loop {
        rooms.assignments.is_due.notified().await;
        loop {
            rooms.env.sleep(wait).await;
            let image = rooms.image.borrow().clone();
            let told = rooms.assignments.next(&image, rooms.broker_id);
            if told.is_empty() {
                wait = WAIT_MIN;
                break;
            }
            wait = match tell(&rooms, &told).await {
                true => WAIT_MIN,
                false => (wait * 2).min(WAIT_MAX),
            };
        }
    }
}

/// Sends one request; answers whether everything in it was taken over.
async fn tell(rooms: &Rooms, told: &[(Key, DirectoryId)]) -> bool {
    let request = AssignReplicasToDirsRequest {
        broker_id: rooms.broker_id,
        broker_epoch: rooms.broker_epoch(),
        directories: grouped(told),
        ..Default::default()
    };
    let answer = rooms.controller.send(&request, ASSIGN_REPLICAS_TO_DIRS_VERSION).await;
    match answer {
        Ok(response) if response.error_code == ErrorCode::NONE => {
            rooms.assignments.took(told, &response)
        }
        Ok(response) => {
            let code = response.error_code.name();
            tracing::warn!(code, "the controller does not take the directories of replicas");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "telling the controller the directories of replicas failed");
            false
        }
    }
}

fn grouped(told: &[(Key, DirectoryId)]) -> Vec<asked::DirectoryData> {
    let mut directories: BTreeMap<DirectoryId, BTreeMap<TopicId, Vec<PartitionIndex>>> =
        BTreeMap::new();
    for ((topic, index), id) in told {
        directories.entry(*id).or_default().entry(*topic).or_default().push(*index);
    }
    let partition =
        |partition_index| asked::PartitionData { partition_index, ..Default::default() };
    let topic = |(topic_id, partitions): (TopicId, Vec<PartitionIndex>)| asked::TopicData {
        topic_id,
        partitions: partitions.into_iter().map(partition).collect(),
        ..Default::default()
    };
    let directory = |(id, topics): (DirectoryId, BTreeMap<_, _>)| asked::DirectoryData {
        id,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    directories.into_iter().map(directory).collect()
}
