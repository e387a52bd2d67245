//! Table: authorizer, principals, delegation tokens, SASL and Kerberos.
//! Not here: OAUTHBEARER (oauth.rs), TLS (tls.rs). A row is a config of Apache Kafka and a field.

use crate::row::{HIGH, LOW, MEDIUM, PER_BROKER, READ_ONLY, config};
use crate::valid::{any, any_text, at_least, distinct};
use crate::value::{ClassName, Password};

config! {
    /// Authorizer, principals, delegation tokens and SASL.
    pub struct SecuritySettings {
        /// The authorizer; an empty value allows everything.
        "authorizer.class.name" => authorizer_class_name: String = "", any_text(), LOW, READ_ONLY;
        /// The class that makes principals of certificates and logins.
        "principal.builder.class" =>
            principal_builder_class: ClassName =
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
            any(), MEDIUM, PER_BROKER;
        /// The secret that delegation tokens are made with, equal on every node; no tokens without
        /// it.
        "delegation.token.secret.key" => delegation_token_secret_key: Option<Password> = null,
            any(), MEDIUM, READ_ONLY;
        /// How long a delegation token lives at most, however often it is renewed.
        "delegation.token.max.lifetime.ms" => delegation_token_max_lifetime_ms: i64 = "604800000",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long a delegation token is good for before it must be renewed.
        "delegation.token.expiry.time.ms" => delegation_token_expiry_time_ms: i64 = "86400000",
            at_least(1), MEDIUM, READ_ONLY;
        /// How often expired delegation tokens are removed.
        "delegation.token.expiry.check.interval.ms" =>
            delegation_token_expiry_check_interval_ms: i64 = "3600000",
            at_least(1), LOW, READ_ONLY;
        /// The SASL mechanisms that clients may use.
        "sasl.enabled.mechanisms" => sasl_enabled_mechanisms: Vec<String> = "GSSAPI",
            distinct(), MEDIUM, PER_BROKER;
        /// The SASL mechanism between brokers.
        "sasl.mechanism.inter.broker.protocol" =>
            sasl_mechanism_inter_broker_protocol: String = "GSSAPI",
            any(), MEDIUM, PER_BROKER;
        /// The SASL mechanism towards controllers.
        "sasl.mechanism.controller.protocol" =>
            sasl_mechanism_controller_protocol: String = "GSSAPI",
            any(), HIGH, READ_ONLY;
        /// Login module and options of a mechanism, in the form of JAAS.
        "sasl.jaas.config" => sasl_jaas_config: Option<Password> = null, any(), MEDIUM, PER_BROKER;
        /// The class that answers a mechanism's questions on the client side.
        "sasl.client.callback.handler.class" =>
            sasl_client_callback_handler_class: Option<ClassName> = null,
            any(), MEDIUM, READ_ONLY;
        /// The class that answers a mechanism's questions on the server side.
        "sasl.server.callback.handler.class" =>
            sasl_server_callback_handler_class: Option<ClassName> = null,
            any(), MEDIUM, READ_ONLY;
        /// The class that answers the questions of a login.
        "sasl.login.callback.handler.class" =>
            sasl_login_callback_handler_class: Option<ClassName> = null,
            any(), MEDIUM, READ_ONLY;
        /// The class that logs in.
        "sasl.login.class" => sasl_login_class: Option<ClassName> = null, any(), MEDIUM, READ_ONLY;
        /// The largest SASL token that is read before a login is complete.
        "sasl.server.max.receive.size" => sasl_server_max_receive_size: i32 = "524288",
            any(), MEDIUM, READ_ONLY;
        /// How long a connection to the token server may take to open.
        "sasl.login.connect.timeout.ms" => sasl_login_connect_timeout_ms: Option<i32> = null,
            any(), LOW, READ_ONLY;
        /// How long the token server may take to answer.
        "sasl.login.read.timeout.ms" => sasl_login_read_timeout_ms: Option<i32> = null,
            any(), LOW, READ_ONLY;
        /// How long a failed request to the token server waits at first before it is repeated.
        "sasl.login.retry.backoff.ms" => sasl_login_retry_backoff_ms: i64 = "100",
            any(), LOW, READ_ONLY;
        /// How long a failed request to the token server waits at most before it is repeated.
        "sasl.login.retry.backoff.max.ms" => sasl_login_retry_backoff_max_ms: i64 = "10000",
            any(), LOW, READ_ONLY;
        /// After which share of its life a credential is renewed.
        "sasl.login.refresh.window.factor" => sasl_login_refresh_window_factor: f64 = "0.8",
            any(), MEDIUM, PER_BROKER;
        /// How much, as a share of its life, the moment of a credential's renewal varies.
        "sasl.login.refresh.window.jitter" => sasl_login_refresh_window_jitter: f64 = "0.05",
            any(), MEDIUM, PER_BROKER;
        /// How long a credential is used at least before it is renewed.
        "sasl.login.refresh.min.period.seconds" =>
            sasl_login_refresh_min_period_seconds: i16 = "60",
            any(), MEDIUM, PER_BROKER;
        /// How long before its end a credential is renewed at the latest.
        "sasl.login.refresh.buffer.seconds" => sasl_login_refresh_buffer_seconds: i16 = "300",
            any(), MEDIUM, PER_BROKER;
        /// The Kerberos service name of the brokers.
        "sasl.kerberos.service.name" => sasl_kerberos_service_name: Option<String> = null,
            any(), MEDIUM, PER_BROKER;
        /// The path of kinit.
        "sasl.kerberos.kinit.cmd" => sasl_kerberos_kinit_cmd: String = "/usr/bin/kinit",
            any(), MEDIUM, PER_BROKER;
        /// How long, in ms, a Kerberos login rests before it is repeated.
        "sasl.kerberos.min.time.before.relogin" =>
            sasl_kerberos_min_time_before_relogin: i64 = "60000",
            any(), MEDIUM, PER_BROKER;
        /// How Kerberos principals become user names; the first matching rule wins.
        "sasl.kerberos.principal.to.local.rules" =>
            sasl_kerberos_principal_to_local_rules: Vec<String> = "DEFAULT",
            distinct(), MEDIUM, PER_BROKER;
        /// How much the moment of a ticket's renewal varies.
        "sasl.kerberos.ticket.renew.jitter" => sasl_kerberos_ticket_renew_jitter: f64 = "0.05",
            any(), MEDIUM, PER_BROKER;
        /// After which share of its life a ticket is renewed.
        "sasl.kerberos.ticket.renew.window.factor" =>
            sasl_kerberos_ticket_renew_window_factor: f64 = "0.8",
            any(), MEDIUM, PER_BROKER;
    }
}
