//! The controller's decisions: what a request does to the cluster's metadata, and what it answers.
//!
//! One method of [`Controller`] per API. Each looks at [`Live`] (the image, the sessions of the
//! brokers, the time, the end of the log, random numbers) and gives a [`Decision`]: records for
//! the metadata log and a response that leaves once they are committed. Brokers and controller
//! know each other through these messages only, in one process as in two.
//!
//! Not here: authorization (the handler asks before), quorum, logs, timers: the shell calls
//! [`Controller::activate`] when it became the active controller, [`Controller::tick`] when the
//! time that it gave has come. No clock and no randomness of its own.
//! Must hold: nothing changes the image but the records; [`Soft`] may be lost at any time.
//!
//! ```
//! use ottla_controller::{Controller, Live, Soft};
//! use ottla_machine::{Prng, Ticket};
//! use ottla_metadata::{Bootstrap, Image, bootstrap_records};
//! use ottla_settings::{Input, Settings};
//! use ottla_wire::{Offset, Timestamp};
//!
//! let settings = Settings::load(Input::default()).expect("the built-in configuration").settings;
//! let controller = Controller::new(settings, "4L6g3nShT-eMCtK--X86sw");
//! let (mut soft, mut random) = (Soft::default(), Prng::new(1));
//! let image = Image::default();
//! let mut live = Live {
//!     image: &image,
//!     soft: &mut soft,
//!     end: Offset(3),
//!     now: Timestamp(1_000),
//!     random: &mut random,
//! };
//! let bootstrap = bootstrap_records(&Bootstrap::default()).expect("levels fit");
//! let decided = controller.activate(&mut live, &bootstrap);
//! assert_eq!(decided.records[0].name(), "BeginTransactionRecord");
//! ```

mod activation;
mod alter_configs;
mod alter_partition;
mod assign_directories;
mod brokers;
mod client_quotas;
mod config_check;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod describe_configs;
mod elect_leaders;
mod election;
mod features;
mod heartbeat;
mod leadership;
mod names;
mod nodes;
mod placement;
mod producer_ids;
mod reassignments;
mod reply;
mod soft;
mod tick;
mod user_scram_credentials;

pub use describe_configs::ConfigsOf;
pub use reassignments::list_partition_reassignments;
pub use reply::{ControllerReply, Decision};
pub use soft::{Session, Soft};
pub use user_scram_credentials::describe_user_scram_credentials;

use std::collections::BTreeMap;

use ottla_machine::Prng;
use ottla_metadata::{Image, ResourceType};
use ottla_settings::Settings;
use ottla_wire::{ErrorCode, Offset, StrBytes, Timestamp};

/// More records than one request may ask for: Kafka's limit for a batch of the metadata log.
const RECORDS_MAX: usize = 10_000;

/// What a decision looks at.
#[derive(Debug)]
pub struct Live<'a> {
    /// The cluster, with everything that was appended.
    pub image: &'a Image,
    /// What the active controller knows and the log does not.
    pub soft: &'a mut Soft,
    /// The offset that the next record gets.
    pub end: Offset,
    /// The time.
    pub now: Timestamp,
    /// Random numbers, for ids and placement.
    pub random: &'a mut Prng,
}

/// The decisions of the active controller.
#[derive(Clone, Debug)]
pub struct Controller {
    settings: Settings,
    cluster_id: StrBytes,
}

impl Controller {
    /// A controller with these settings in the cluster with this id.
    pub fn new(settings: Settings, cluster_id: &str) -> Self {
        Controller { settings, cluster_id: StrBytes::copied(cluster_id) }
    }

    /// The settings with which the node was started.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings with what was changed at run time for all brokers.
    fn changed_settings<'a>(&self, image: &Image, soft: &'a mut Soft) -> &'a Settings {
        let for_all = image.configs(ResourceType::BROKER, "");
        let is_current = soft.settings.as_ref().is_some_and(|(known, _)| known == for_all);
        if !is_current {
            let (changed, _) = self.settings.changed(for_all, &BTreeMap::new());
            soft.settings = Some((for_all.clone(), changed));
        }
        soft.settings.as_ref().map(|(_, settings)| settings).expect("it was just set")
    }
}

/// A refusal of one thing that a request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    code: ErrorCode,
    message: Option<String>,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { code, message: Some(message.into()) }
    }

    fn text(self) -> Option<StrBytes> {
        self.message.map(StrBytes::from)
    }
}
