//! Opening the logs at a start, and bringing images to the broker while that goes on.
//!
//! After a clean stop all logs are open at once. After a crash a node waits a moment, and then
//! serves what is open while the rest is read. Must hold: images and opened logs come to the
//! broker one after the other, from one task; a replica serves only when the copy of it that is
//! on its way to another folder has been compared with it.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker::Broker;
use ottla_env::{Env, Tasks};
use ottla_metadata::Image;
use ottla_storage::{Loading, Log, LogDirs, StorageError};
use ottla_wire::{BrokerId, DirectoryId, PartitionIndex, Timestamp, TopicId};
use tokio::sync::{Notify, oneshot, watch};

use crate::error::StartError;
use crate::node::Parts;
use crate::patience;

/// So long a start waits for logs before it serves those that are open.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Logs that were opened within this are taken over together.
const TOGETHER: Duration = Duration::from_millis(20);

/// The opening of the logs, under way.
pub(crate) struct Recovery {
    ended: oneshot::Receiver<Result<(), StorageError>>,
    opened: Arc<Notify>,
}

impl Recovery {
    /// Begins to open every log in the folders, in a task.
    pub(crate) fn begin(
        parts: Parts<'_>,
        tasks: &Tasks,
        broker: &Broker,
        image: &Arc<Image>,
    ) -> Recovery {
        let settings = parts.settings;
        let me = BrokerId(settings.node.node_id);
        let threads = usize::try_from(settings.log.num_recovery_threads_per_data_dir).unwrap_or(1);
        let opened = Arc::new(Notify::new());
        let (known, notify) = (Arc::clone(image), Arc::clone(&opened));
        let loading = Loading {
            threads_per_dir: threads,
            delete_delay_ms: settings.log.segment_delete_delay_ms,
            config: broker.log_configs(Arc::clone(image)),
            known: Arc::new(move |log, _, index| is_known(&known, me, log, index)),
            opened: Arc::new(move |_| notify.notify_one()),
        };
        let (tell, ended) = oneshot::channel();
        let (env, dirs) = (parts.env.clone(), Arc::clone(&parts.dirs.logs));
        let (image, told) = (Arc::clone(image), Arc::clone(&opened));
        tasks.spawn("opening of logs", async move {
            let result = open_all(&env, dirs, loading, me, image).await;
            // Whoever waited may have given up the start.
            let _ = tell.send(result);
            told.notify_one();
        });
        Recovery { ended, opened }
    }

    /// Waits for the logs, but not long; answers itself when there are more to come.
    pub(crate) async fn first_part(mut self, env: &Env) -> Result<Option<Recovery>, StartError> {
        tokio::select! {
            biased;
            ended = &mut self.ended => {
                ended.map_err(|_| gone())??;
                Ok(None)
            }
            () = env.sleep(WAIT_MAX) => {
                tracing::info!("partitions are served as soon as their logs are recovered");
                Ok(Some(self))
            }
        }
    }
}

fn gone() -> StartError {
    StartError::Registration("the opening of the logs was given up".to_owned())
}

/// Opens every log, and settles the moves that a stop or a crash has interrupted.
async fn open_all(
    env: &Env,
    dirs: Arc<LogDirs>,
    loading: Loading,
    me: BrokerId,
    image: Arc<Image>,
) -> Result<(), StorageError> {
    let loaded = dirs.load_all(loading);
    patience::told(env, loaded, |taken| patience::recovery(&dirs, taken)).await?;
    let now = Timestamp(env.now_ms());
    env.blocking(move || {
        for ((id, index), future) in dirs.futures() {
            // A copy in the place that the metadata names, or the only one that there is, is the
            // replica: a crash came when it had just been completed.
            let place = assigned(&image, me, id, index);
            if place == Some(future.directory().id()) || dirs.are_all_online() {
                dirs.adopt(id, index)?;
            }
        }
        dirs.align_moves(now)?;
        dirs.loaded();
        Ok(())
    })
    .await
}

/// Whether the cluster has a replica here of a log that was found.
fn is_known(image: &Image, me: BrokerId, log: &Log, index: PartitionIndex) -> bool {
    let topic = log.topic_id().and_then(|id| image.topic(id));
    let partition = topic.and_then(|topic| topic.partitions.get(&index));
    partition.is_some_and(|partition| partition.replicas.contains(&me))
}

fn assigned(
    image: &Image,
    me: BrokerId,
    id: TopicId,
    index: PartitionIndex,
) -> Option<DirectoryId> {
    image.topic(id)?.partitions.get(&index)?.directory(me)
}

/// Brings every new image to the broker, and every log that was opened after the start.
pub(crate) struct Following {
    pub(crate) env: Env,
    pub(crate) broker: Arc<Broker>,
    pub(crate) applied: watch::Sender<Arc<Image>>,
    /// Asks for a heartbeat.
    pub(crate) is_due: Arc<Notify>,
    /// Why the logs could not be opened.
    pub(crate) failed: watch::Sender<Option<String>>,
}

impl Following {
    pub(crate) async fn follow(
        self,
        mut images: watch::Receiver<Arc<Image>>,
        mut rest: Option<Recovery>,
    ) {
        loop {
            let opened = rest.as_ref().map(|rest| Arc::clone(&rest.opened));
            let opened = async {
                match opened {
                    Some(opened) => opened.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = images.changed() => match changed {
                    Ok(()) => self.apply(images.borrow_and_update().clone()),
                    Err(_) => return,
                },
                () = opened => {
                    self.env.sleep(TOGETHER).await;
                    rest = self.take_over(rest);
                }
            }
        }
    }

    fn apply(&self, new: Arc<Image>) {
        let old = self.applied.borrow().clone();
        let is_news = self.broker.apply(&old, &new);
        self.applied.send_replace(new);
        if is_news {
            self.is_due.notify_one();
        }
    }

    /// Brings what was opened to the broker; answers the recovery when it goes on.
    fn take_over(&self, rest: Option<Recovery>) -> Option<Recovery> {
        let mut rest = rest?;
        let ended = rest.ended.try_recv();
        let image = self.applied.borrow().clone();
        self.broker.take_over_opened(&image);
        match ended {
            Ok(Ok(())) => {
                tracing::info!("all logs are recovered");
                self.broker.go_on_moving();
                None
            }
            Ok(Err(error)) => {
                self.failed.send_replace(Some(error.to_string()));
                None
            }
            Err(_) => Some(rest),
        }
    }
}

/// Ends when the logs could not be opened, and says why.
pub(crate) async fn recovery_failed(failed: &watch::Receiver<Option<String>>) -> String {
    let mut failed = failed.clone();
    match failed.wait_for(Option::is_some).await.map(|why| why.clone()) {
        Ok(why) => why.unwrap_or_default(),
        // The node is going away for another reason.
        Err(_) => std::future::pending().await,
    }
}
