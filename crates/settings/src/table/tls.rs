//! Table: certificates, keys and versions of TLS.
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{LOW, MEDIUM, PER_BROKER, READ_ONLY, config};
use crate::valid::{any, distinct, one_of};
use crate::value::{ClassName, Password};

config! {
    /// TLS: certificates, keys, versions.
    pub struct TlsSettings {
        /// Whether clients must, may or need not show a certificate.
        "ssl.client.auth" => client_auth: String = "none",
            one_of(&["required", "requested", "none"]), MEDIUM, PER_BROKER;
        /// The format of the key store: JKS, PKCS12 or PEM.
        "ssl.keystore.type" => keystore_type: String = "JKS", any(), MEDIUM, PER_BROKER;
        /// The file of the key store.
        "ssl.keystore.location" => keystore_location: Option<String> = null,
            any(), MEDIUM, PER_BROKER;
        /// The password of the key store's file.
        "ssl.keystore.password" => keystore_password: Option<Password> = null,
            any(), MEDIUM, PER_BROKER;
        /// The node's private key itself, as PEM.
        "ssl.keystore.key" => keystore_key: Option<Password> = null, any(), MEDIUM, PER_BROKER;
        /// The node's certificate chain itself, as PEM.
        "ssl.keystore.certificate.chain" => keystore_certificate_chain: Option<Password> = null,
            any(), MEDIUM, PER_BROKER;
        /// The password of the private key.
        "ssl.key.password" => key_password: Option<Password> = null, any(), MEDIUM, PER_BROKER;
        /// The format of the trust store: JKS, PKCS12 or PEM.
        "ssl.truststore.type" => truststore_type: String = "JKS", any(), MEDIUM, PER_BROKER;
        /// The file of the trust store.
        "ssl.truststore.location" => truststore_location: Option<String> = null,
            any(), MEDIUM, PER_BROKER;
        /// The password of the trust store's file.
        "ssl.truststore.password" => truststore_password: Option<Password> = null,
            any(), MEDIUM, PER_BROKER;
        /// The trusted certificates themselves, as PEM.
        "ssl.truststore.certificates" => truststore_certificates: Option<Password> = null,
            any(), MEDIUM, PER_BROKER;
        /// The newest version of TLS to offer.
        "ssl.protocol" => protocol: String = "TLSv1.3", any(), MEDIUM, PER_BROKER;
        /// The versions of TLS to accept.
        "ssl.enabled.protocols" => enabled_protocols: Vec<String> = "TLSv1.2,TLSv1.3",
            distinct(), MEDIUM, PER_BROKER;
        /// The cipher suites to accept; the library's own without a value.
        "ssl.cipher.suites" => cipher_suites: Vec<String> = "", distinct(), MEDIUM, PER_BROKER;
        /// How the name in a server's certificate is checked; an empty value checks nothing.
        "ssl.endpoint.identification.algorithm" =>
            endpoint_identification_algorithm: String = "https",
            any(), LOW, PER_BROKER;
        /// How the names in certificates become user names; the first matching rule wins.
        "ssl.principal.mapping.rules" => principal_mapping_rules: String = "DEFAULT",
            any(), LOW, READ_ONLY;
        /// Whether a renewed certificate may carry another distinguished name.
        "ssl.allow.dn.changes" => allow_dn_changes: bool = "false", any(), LOW, READ_ONLY;
        /// Whether a renewed certificate may carry other alternative names.
        "ssl.allow.san.changes" => allow_san_changes: bool = "false", any(), LOW, READ_ONLY;
        /// The class that Kafka makes TLS engines with; accepted and reported.
        "ssl.engine.factory.class" => engine_factory_class: Option<ClassName> = null,
            any(), LOW, PER_BROKER;
        /// The Java provider of TLS; accepted and reported.
        "ssl.provider" => provider: Option<String> = null, any(), MEDIUM, PER_BROKER;
        /// The Java algorithm of key stores; accepted and reported.
        "ssl.keymanager.algorithm" => keymanager_algorithm: String = "SunX509",
            any(), MEDIUM, PER_BROKER;
        /// The Java algorithm of trust stores; accepted and reported.
        "ssl.trustmanager.algorithm" => trustmanager_algorithm: String = "PKIX",
            any(), MEDIUM, PER_BROKER;
        /// The Java source of randomness; accepted and reported.
        "ssl.secure.random.implementation" => secure_random_implementation: Option<String> = null,
            any(), LOW, PER_BROKER;
    }
}
