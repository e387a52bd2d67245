//! Table: the SASL mechanism OAUTHBEARER.
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{HIGH, LOW, MEDIUM, READ_ONLY, config};
use crate::valid::{any, between, distinct, one_of_any_case};
use crate::value::{ClassName, Password};

config! {
    /// The SASL mechanism OAUTHBEARER.
    pub struct OauthSettings {
        /// Where tokens are fetched, or a file that holds one.
        "sasl.oauthbearer.token.endpoint.url" => token_endpoint_url: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// The scope that tokens are asked for.
        "sasl.oauthbearer.scope" => scope: Option<String> = null, any(), MEDIUM, READ_ONLY;
        /// The claim that holds a token's scope.
        "sasl.oauthbearer.scope.claim.name" => scope_claim_name: String = "scope",
            any(), LOW, READ_ONLY;
        /// The claim that holds a token's user.
        "sasl.oauthbearer.sub.claim.name" => sub_claim_name: String = "sub", any(), LOW, READ_ONLY;
        /// The audiences that a token may be made out for.
        "sasl.oauthbearer.expected.audience" => expected_audience: Vec<String> = "",
            distinct(), HIGH, READ_ONLY;
        /// The issuer that a token must come from.
        "sasl.oauthbearer.expected.issuer" => expected_issuer: Option<String> = null,
            any(), HIGH, READ_ONLY;
        /// Whether tokens are taken whoever they are made out for.
        "sasl.oauthbearer.allow.unverified.audience" => allow_unverified_audience: bool = "false",
            any(), MEDIUM, READ_ONLY;
        /// Whether tokens are taken whoever issued them.
        "sasl.oauthbearer.allow.unverified.issuer" => allow_unverified_issuer: bool = "false",
            any(), MEDIUM, READ_ONLY;
        /// How far the clocks of issuer and node may differ.
        "sasl.oauthbearer.clock.skew.seconds" => clock_skew_seconds: i32 = "30",
            any(), LOW, READ_ONLY;
        /// Where the keys of the issuer are fetched, or a file that holds them.
        "sasl.oauthbearer.jwks.endpoint.url" => jwks_endpoint_url: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// How often the keys of the issuer are fetched again.
        "sasl.oauthbearer.jwks.endpoint.refresh.ms" => jwks_endpoint_refresh_ms: i64 = "3600000",
            any(), LOW, READ_ONLY;
        /// How long a failed fetch of keys waits at first before it is repeated.
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" =>
            jwks_endpoint_retry_backoff_ms: i64 = "100",
            any(), LOW, READ_ONLY;
        /// How long a failed fetch of keys waits at most before it is repeated.
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" =>
            jwks_endpoint_retry_backoff_max_ms: i64 = "10000",
            any(), LOW, READ_ONLY;
        /// The class that fetches tokens.
        "sasl.oauthbearer.jwt.retriever.class" =>
            jwt_retriever_class: ClassName =
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
            any(), MEDIUM, READ_ONLY;
        /// The class that checks tokens.
        "sasl.oauthbearer.jwt.validator.class" =>
            jwt_validator_class: ClassName =
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
            any(), MEDIUM, READ_ONLY;
        /// The client id that tokens are asked for with.
        "sasl.oauthbearer.client.credentials.client.id" =>
            client_credentials_client_id: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// The client secret that tokens are asked for with.
        "sasl.oauthbearer.client.credentials.client.secret" =>
            client_credentials_client_secret: Option<Password> = null,
            any(), MEDIUM, READ_ONLY;
        /// The algorithm that assertions are signed with.
        "sasl.oauthbearer.assertion.algorithm" => assertion_algorithm: String = "RS256",
            one_of_any_case(&["ES256", "RS256"]), MEDIUM, READ_ONLY;
        /// A file that holds a ready assertion.
        "sasl.oauthbearer.assertion.file" => assertion_file: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// A file that holds headers and claims for each assertion.
        "sasl.oauthbearer.assertion.template.file" =>
            assertion_template_file: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// The file of the key that assertions are signed with.
        "sasl.oauthbearer.assertion.private.key.file" =>
            assertion_private_key_file: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// The passphrase of the key that assertions are signed with.
        "sasl.oauthbearer.assertion.private.key.passphrase" =>
            assertion_private_key_passphrase: Option<Password> = null,
            any(), MEDIUM, READ_ONLY;
        /// The audience of assertions.
        "sasl.oauthbearer.assertion.claim.aud" => assertion_claim_aud: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// The issuer of assertions.
        "sasl.oauthbearer.assertion.claim.iss" => assertion_claim_iss: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// The subject of assertions.
        "sasl.oauthbearer.assertion.claim.sub" => assertion_claim_sub: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// How long an assertion is good for.
        "sasl.oauthbearer.assertion.claim.exp.seconds" => assertion_claim_exp_seconds: i32 = "300",
            between(0, 86_400), LOW, READ_ONLY;
        /// How long before its making an assertion begins to be good.
        "sasl.oauthbearer.assertion.claim.nbf.seconds" => assertion_claim_nbf_seconds: i32 = "60",
            between(0, 3600), LOW, READ_ONLY;
        /// Whether each assertion gets an id of its own.
        "sasl.oauthbearer.assertion.claim.jti.include" =>
            assertion_claim_jti_include: bool = "false",
            any(), MEDIUM, READ_ONLY;
    }
}
