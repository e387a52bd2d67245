//! A node's settings: every config as a field of the block of its area.
//!
//! Made whole or not at all. A room holds the block it needs, an `Arc` that is swapped when a
//! change is replayed; nobody passes the whole around.
//! Not here: where the texts come from (sources.rs), rules between configs (check.rs).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::check;
use crate::error::ConfigError;
use crate::listeners::Listeners;
use crate::row::{Block, Reader, Row};
use crate::sources::{Input, Origin, Texts, Warning};
use crate::table::cleaner::CleanerSettings;
use crate::table::groups::{ConsumerGroupSettings, GroupSettings};
use crate::table::log::LogSettings;
use crate::table::metrics::MetricsSettings;
use crate::table::network::NetworkSettings;
use crate::table::node::NodeSettings;
use crate::table::oauth::OauthSettings;
use crate::table::own::OwnSettings;
use crate::table::quorum::QuorumSettings;
use crate::table::quotas::QuotaSettings;
use crate::table::remote::RemoteSettings;
use crate::table::replication::{ReplicationSettings, ThrottleSettings};
use crate::table::security::SecuritySettings;
use crate::table::share_groups::ShareGroupSettings;
use crate::table::streams_groups::StreamsGroupSettings;
use crate::table::tls::TlsSettings;
use crate::table::transactions::TransactionSettings;
use crate::table::{self, Scope};
use crate::value::Password;

/// Makes the settings of one field per area.
macro_rules! settings {
    ($($field:ident: $block:ident,)*) => {
        /// Every config of a node, typed and checked.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(
                #[doc = concat!("See [`", stringify!($block), "`].")]
                pub $field: Arc<$block>,
            )*
            /// Where the node listens and what it tells others.
            pub listeners: Arc<Listeners>,
            pub(crate) texts: Arc<Texts>,
        }

        /// The blocks alone, before anything is made of them.
        struct Areas {
            $($field: Arc<$block>,)*
        }

        impl Areas {
            fn read(reader: &mut Reader<'_>) -> Areas {
                Areas { $($field: Arc::new($block::read(reader)),)* }
            }

            fn with(self, listeners: Listeners, texts: Texts) -> Settings {
                let (listeners, texts) = (Arc::new(listeners), Arc::new(texts));
                Settings { $($field: self.$field,)* listeners, texts }
            }
        }
    };
}

settings! {
    node: NodeSettings,
    network: NetworkSettings,
    log: LogSettings,
    cleaner: CleanerSettings,
    remote: RemoteSettings,
    replication: ReplicationSettings,
    throttles: ThrottleSettings,
    quorum: QuorumSettings,
    groups: GroupSettings,
    consumer_groups: ConsumerGroupSettings,
    share_groups: ShareGroupSettings,
    streams_groups: StreamsGroupSettings,
    transactions: TransactionSettings,
    security: SecuritySettings,
    oauth: OauthSettings,
    tls: TlsSettings,
    quotas: QuotaSettings,
    metrics: MetricsSettings,
    own: OwnSettings,
}

/// Settings just made, and what to say about how they were given.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Configs that mean nothing here, or ask for what is not served.
    pub warnings: Vec<Warning>,
}

/// What holds for the connections of one listener.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Sockets and limits.
    pub network: NetworkSettings,
    /// Certificates and keys.
    pub tls: TlsSettings,
    /// Logins.
    pub security: SecuritySettings,
    /// Logins by token.
    pub oauth: OauthSettings,
}

impl Settings {
    /// Reads every block; the errors of all configs come together.
    pub(crate) fn read(texts: Texts) -> Result<Settings, Vec<ConfigError>> {
        let text = |row: &Row| texts.of_row(row, None);
        let mut reader = Reader::new(&text);
        let areas = Areas::read(&mut reader);
        if !reader.errors.is_empty() {
            return Err(reader.errors);
        }
        let mapped = texts.find("listener.security.protocol.map").is_some();
        let listeners = Listeners::of(&areas.network, &areas.quorum, mapped);
        let listeners = listeners.map(|listeners| listeners.with_http(&areas.own));
        let settings = areas.with(listeners.map_err(|wrong| vec![wrong])?, texts);
        let broken = check::rules(&settings);
        if broken.is_empty() { Ok(settings) } else { Err(broken) }
    }

    /// Makes settings of a file, the environment and overrides.
    pub fn load(input: Input<'_>) -> Result<Loaded, Vec<ConfigError>> {
        let texts = Texts::of(input).map_err(|wrong| vec![wrong])?;
        let warnings = texts.warnings();
        match Settings::read(texts) {
            Ok(settings) => Ok(Loaded { settings, warnings }),
            // A required config is missing because its name was mistyped: say both.
            Err(mut wrong) => {
                wrong.extend(warnings.iter().map(|it| ConfigError::Beside(it.to_string())));
                Err(wrong)
            }
        }
    }

    /// Whether the node is a broker.
    pub fn is_broker(&self) -> bool {
        self.has_role("broker")
    }

    /// Whether the node is a controller.
    pub fn is_controller(&self) -> bool {
        self.has_role("controller")
    }

    /// Whether nobody configured the node.
    pub fn is_built_in(&self) -> bool {
        self.origin("process.roles") == Some(&Origin::BuiltIn)
    }

    /// Whether a file gave some of the configuration.
    pub fn has_file(&self) -> bool {
        self.texts.given.values().any(|given| matches!(given.origin, Origin::File(_)))
    }

    /// Whether the configuration names no node but this one: both roles, and no voter or
    /// bootstrap server that is not one of its own controller listeners.
    pub fn is_alone(&self) -> bool {
        let (heard, told) = (&self.listeners.controller, &self.listeners.advertised_controller);
        let own = |host: &str, port: u16| {
            let mut named = heard.iter().chain(told);
            let is_named = named.any(|endpoint| endpoint.host == host && endpoint.port == port);
            is_named || is_loopback(host) && heard.iter().any(|endpoint| endpoint.port == port)
        };
        let voters_are_own = self.listeners.voters.iter().all(|v| v.id == self.node.node_id);
        let servers = self.listeners.bootstrap.iter();
        self.is_broker()
            && self.is_controller()
            && voters_are_own
            && (!self.listeners.voters.is_empty()
                || self.is_built_in()
                || servers.into_iter().all(|(host, port)| own(host, *port)))
    }

    /// The data folders in their order.
    pub fn log_dirs(&self) -> Vec<&str> {
        let given = self.log.dirs.as_ref().unwrap_or(&self.log.dir);
        given.iter().map(String::as_str).collect()
    }

    /// The folder of the metadata log.
    pub fn metadata_log_dir(&self) -> &str {
        let first = || self.log_dirs().first().copied().unwrap_or_default();
        self.quorum.metadata_log_dir.as_deref().unwrap_or_else(first)
    }

    /// Who gave the config its value; `None` for a default or a change at run time.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.texts.given.get(key).map(|given| &given.origin)
    }

    /// The text of a config as it was given, also of one that the table does not hold.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.find(key)
    }

    /// The settings of one listener: its own configs, else the node's.
    pub fn for_listener(&self, listener: &str) -> ListenerSettings {
        let text = |row: &Row| self.texts.of_row(row, Some(listener));
        let mut reader = Reader::new(&text);
        ListenerSettings {
            network: NetworkSettings::read(&mut reader),
            tls: TlsSettings::read(&mut reader),
            security: SecuritySettings::read(&mut reader),
            oauth: OauthSettings::read(&mut reader),
        }
    }

    /// The login module of a mechanism on a listener: the mechanism's own, else the listener's,
    /// else the node's.
    pub fn jaas_config(&self, listener: &str, mechanism: &str) -> Option<Password> {
        let key = format!("{}.sasl.jaas.config", mechanism.to_lowercase());
        let own = self.texts.find(&table::prefixed(listener, &key)).map(str::to_string);
        let text = |row: &Row| own.clone().or_else(|| self.texts.of_row(row, Some(listener)));
        Reader::new(&text).field(table::find(Scope::Broker, "sasl.jaas.config"))
    }

    /// The settings after changes at run time, `for_all` brokers and `for_this` one. A change
    /// that does not fit is left out and told; the others hold.
    pub fn changed(
        &self,
        for_all: &BTreeMap<String, String>,
        for_this: &BTreeMap<String, String>,
    ) -> (Settings, Vec<ConfigError>) {
        let mut wrong = Vec::new();
        let mut texts = Texts { given: self.texts.given.clone(), ..Texts::default() };
        for (changes, layer, one_broker) in
            [(for_all, &mut texts.for_all, false), (for_this, &mut texts.for_this, true)]
        {
            for (key, value) in changes {
                match check::change(key, value, one_broker) {
                    Ok(()) => {
                        layer.insert(key.clone(), value.clone());
                    }
                    Err(error) => wrong.push(error),
                }
            }
        }
        match Settings::read(texts) {
            Ok(settings) => (settings, wrong),
            Err(broken) => {
                wrong.extend(broken);
                (self.clone(), wrong)
            }
        }
    }

    /// Whether these changes could be made: each config may change, has an allowed value, and the
    /// whole still holds together.
    pub fn check_change(
        &self,
        for_all: &BTreeMap<String, String>,
        for_this: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        let (changed, wrong) = self.changed(for_all, for_this);
        wrong.into_iter().next().map_or(Ok(()), Err)?;
        check::threads(self, &changed)
    }

    fn has_role(&self, role: &str) -> bool {
        self.node.process_roles.iter().any(|given| given == role)
    }
}

/// Whether the host is the machine itself, whatever it is called.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
