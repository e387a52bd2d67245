//! A broker's talk with the controller: registration, heartbeats, controlled shutdown.
//!
//! Only Kafka's messages, over the channel. Must hold: the broker is unfenced only after it has
//! applied everything up to its own registration.

use std::sync::Arc;
use std::time::Duration;

use ottla_env::Env;
use ottla_metadata::Image;
use ottla_net::Channel;
use ottla_quorum::{VoterEndpoint, supported_features};
use ottla_settings::{SecurityProtocol, Settings};
use ottla_storage::LogDirs;
use ottla_wire::messages::broker_registration_request::{Feature, Listener};
use ottla_wire::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    ControllerRegistrationRequest, controller_registration_request as controller,
};
use ottla_wire::{BrokerEpoch, BrokerId, DirectoryId, ErrorCode, StrBytes, Uuid};
use tokio::sync::{Notify, watch};

use crate::error::StartError;
use crate::failures::Failures;

const BROKER_REGISTRATION_VERSION: i16 = 4;
const BROKER_HEARTBEAT_VERSION: i16 = 2;
const CONTROLLER_REGISTRATION_VERSION: i16 = 0;
/// How soon a broker asks again while it catches up.
const CATCHING_UP: Duration = Duration::from_millis(10);
/// How soon a broker asks again whether it may shut down.
const SHUTTING_DOWN: Duration = Duration::from_millis(50);
/// A node alone never waits long for itself; a controlled shutdown ends after this.
const SHUTDOWN_MAX: Duration = Duration::from_secs(30);

/// Where a listener is reached, and how it is protected.
#[derive(Clone, Debug)]
pub(crate) struct ToldListener {
    pub(crate) at: VoterEndpoint,
    pub(crate) protocol: SecurityProtocol,
}

/// The broker's side of the talk.
pub(crate) struct Lifecycle {
    pub(crate) env: Env,
    pub(crate) controller: Channel,
    pub(crate) id: BrokerId,
    pub(crate) epoch: BrokerEpoch,
    pub(crate) interval: Duration,
    /// Where its logs are.
    pub(crate) dirs: Arc<LogDirs>,
    pub(crate) failures: Failures,
    /// Asks for a heartbeat ahead of its time.
    pub(crate) is_due: Arc<Notify>,
    /// What the broker has applied.
    pub(crate) applied: watch::Receiver<Arc<Image>>,
}

/// What a broker says of itself.
pub(crate) struct Registration<'a> {
    pub(crate) env: &'a Env,
    pub(crate) settings: &'a Settings,
    pub(crate) cluster_id: &'a str,
    pub(crate) listeners: &'a [ToldListener],
    pub(crate) directories: Vec<DirectoryId>,
    pub(crate) previous_epoch: BrokerEpoch,
}

impl Registration<'_> {
    /// Registers the broker, again and again until the time for it is up; gives its epoch.
    pub(crate) async fn register(&self, controller: &Channel) -> Result<BrokerEpoch, StartError> {
        let node = &self.settings.node;
        let ms = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let give_up =
            self.env.monotonic() + ms(self.settings.node.initial_broker_registration_timeout_ms);
        let request = self.request();
        loop {
            let answer = controller.send(&request, BROKER_REGISTRATION_VERSION).await;
            let why = match answer {
                Ok(answer) if answer.error_code == ErrorCode::NONE => {
                    return Ok(answer.broker_epoch);
                }
                Ok(answer) if !may_pass(answer.error_code) => {
                    return Err(StartError::Registration(told(answer.error_code)));
                }
                Ok(answer) => told(answer.error_code),
                Err(error) => error.to_string(),
            };
            tracing::info!(node = node.node_id, why, "the controller does not register yet");
            if self.env.monotonic() >= give_up {
                return Err(StartError::Registration(why));
            }
            self.env.sleep(CATCHING_UP).await;
        }
    }

    fn request(&self) -> BrokerRegistrationRequest {
        let features = supported_features().into_iter().map(|(name, min, max)| Feature {
            name: StrBytes::from(name),
            min_supported_version: min,
            max_supported_version: max,
            ..Default::default()
        });
        let listeners = self.listeners.iter().map(|listener| Listener {
            name: StrBytes::copied(&listener.at.listener),
            host: StrBytes::copied(&listener.at.host),
            port: listener.at.port,
            security_protocol: listener.protocol.id(),
            ..Default::default()
        });
        let mut log_dirs = self.directories.clone();
        log_dirs.sort_unstable();
        BrokerRegistrationRequest {
            broker_id: BrokerId(self.settings.node.node_id),
            cluster_id: StrBytes::copied(self.cluster_id),
            incarnation_id: Uuid(self.env.random_bytes()),
            listeners: listeners.collect(),
            features: features.collect(),
            rack: self.settings.node.broker_rack.as_deref().map(StrBytes::copied),
            log_dirs,
            previous_broker_epoch: self.previous_epoch,
            ..Default::default()
        }
    }
}

/// Whether the controller may answer otherwise a moment later.
fn may_pass(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DUPLICATE_BROKER_REGISTRATION | ErrorCode::NOT_CONTROLLER)
}

fn told(code: ErrorCode) -> String {
    format!("{}: {}", code.name(), code.message())
}

/// Tells the active controller of this one.
pub(crate) async fn register_controller(
    env: &Env,
    controller: &Channel,
    id: BrokerId,
    listeners: &[ToldListener],
) -> Result<(), StartError> {
    let features = supported_features().into_iter().map(|(name, min, max)| controller::Feature {
        name: StrBytes::from(name),
        min_supported_version: min,
        max_supported_version: max,
        ..Default::default()
    });
    let listeners = listeners.iter().map(|listener| controller::Listener {
        name: StrBytes::copied(&listener.at.listener),
        host: StrBytes::copied(&listener.at.host),
        port: listener.at.port,
        security_protocol: listener.protocol.id(),
        ..Default::default()
    });
    let request = ControllerRegistrationRequest {
        controller_id: id,
        incarnation_id: Uuid(env.random_bytes()),
        listeners: listeners.collect(),
        features: features.collect(),
        ..Default::default()
    };
    let answer = controller.send(&request, CONTROLLER_REGISTRATION_VERSION).await;
    match answer {
        Ok(answer) if answer.error_code == ErrorCode::NONE => Ok(()),
        Ok(answer) => Err(StartError::Registration(told(answer.error_code))),
        Err(error) => Err(StartError::Registration(error.to_string())),
    }
}

impl Lifecycle {
    /// Heartbeats until clients may come. Everything up to the registration is applied already,
    /// so the first heartbeat may ask for it.
    pub(crate) async fn unfence(&self) -> Result<(), StartError> {
        loop {
            let answer = self.beat(false).await.map_err(StartError::Registration)?;
            if !answer.is_fenced {
                return Ok(());
            }
            self.env.sleep(CATCHING_UP).await;
        }
    }

    /// Keeps the broker's session alive for as long as it runs.
    pub(crate) async fn keep_alive(self: Arc<Self>) {
        let mut failed = self.failures.notices();
        loop {
            tokio::select! {
                biased;
                Ok(()) = failed.changed() => {}
                () = self.is_due.notified() => {}
                () = self.env.sleep(self.interval) => {}
            }
            if let Err(why) = self.beat(false).await {
                tracing::warn!(why, "a heartbeat to the controller failed");
            }
        }
    }

    /// Asks the controller to move everything away, until it says that the broker may go.
    pub(crate) async fn shut_down(&self) {
        let deadline = self.env.monotonic() + SHUTDOWN_MAX;
        loop {
            match self.beat(true).await {
                Ok(answer) if answer.should_shut_down => return,
                Ok(_) => {}
                Err(why) => {
                    tracing::warn!(why, "stopping without the controller's consent");
                    return;
                }
            }
            if self.env.monotonic() >= deadline {
                tracing::warn!("stopping although the controller has not consented in time");
                return;
            }
            self.env.sleep(SHUTTING_DOWN).await;
        }
    }

    async fn beat(&self, want_shut_down: bool) -> Result<BrokerHeartbeatResponse, String> {
        let offline_log_dirs = self.failures.offline();
        let offline = offline_log_dirs.len();
        let cordoned = self.dirs.states().into_iter().filter(|state| state.cordoned);
        let cordoned = cordoned.map(|state| state.id).filter(|id| *id != DirectoryId::default());
        let request = BrokerHeartbeatRequest {
            broker_id: self.id,
            broker_epoch: self.epoch,
            current_metadata_offset: self.applied.borrow().provenance().offset,
            want_shut_down,
            offline_log_dirs,
            cordoned_log_dirs: Some(cordoned.collect()),
            ..Default::default()
        };
        let answer = self.controller.send(&request, BROKER_HEARTBEAT_VERSION).await;
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.error_code {
            ErrorCode::NONE => {
                self.failures.told(offline);
                Ok(answer)
            }
            code => Err(told(code)),
        }
    }
}
