//! Table: how the rates of clients are measured.
//! Not here: the quotas themselves (clients.rs). A row is a config of Apache Kafka and a field.

use crate::row::{LOW, READ_ONLY, config};
use crate::valid::{any, at_least};
use crate::value::ClassName;

config! {
    /// How the rates of clients are measured.
    pub struct QuotaSettings {
        /// How many past windows the rates of clients are measured over.
        "quota.window.num" => quota_window_num: i32 = "11", at_least(1), LOW, READ_ONLY;
        /// How long each window of the rates of clients is.
        "quota.window.size.seconds" => quota_window_size_seconds: i32 = "1",
            at_least(1), LOW, READ_ONLY;
        /// How many past windows the rate of changes to the cluster is measured over.
        "controller.quota.window.num" => controller_quota_window_num: i32 = "11",
            at_least(1), LOW, READ_ONLY;
        /// How long each window of the rate of changes to the cluster is.
        "controller.quota.window.size.seconds" => controller_quota_window_size_seconds: i32 = "1",
            at_least(1), LOW, READ_ONLY;
        /// The plugin that decides the quotas of clients.
        "client.quota.callback.class" => client_quota_callback_class: Option<ClassName> = null,
            any(), LOW, READ_ONLY;
    }
}
