//! DescribeClientQuotas (48), v0-1: which limits users, client ids and addresses have (KIP-546).
//! v1 flexible. A filter names types and for each a name, the default, or any; a strict one leaves
//! out entities with more parts than it names. Asks for DescribeConfigs on the cluster.
//! Not served: nothing; the limits are told, and clients are not held to them.

use std::collections::BTreeMap;

use ottla_metadata::QuotaEntity;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_client_quotas_request::ComponentData;
use ottla_wire::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use ottla_wire::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

const IP: &str = "ip";
const TYPES: [&str; 3] = ["user", "client-id", IP];

/// `matchType`: the entity of this name.
const EXACT: i8 = 0;
/// `matchType`: the default of the type.
const DEFAULT: i8 = 1;
/// `matchType`: whatever its name, the default as well.
const ANY: i8 = 2;

/// The type that an entity must have a part of, and which.
type Filter<'a> = BTreeMap<&'a str, Wanted<'a>>;

enum Wanted<'a> {
    Name(&'a str),
    Default,
    Any,
}

impl Wanted<'_> {
    fn is(&self, name: Option<&str>) -> bool {
        match self {
            Wanted::Name(wanted) => name == Some(wanted),
            Wanted::Default => name.is_none(),
            Wanted::Any => true,
        }
    }
}

/// Why a filter is none.
type Refusal = (ErrorCode, String);

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeClientQuotasRequest,
) -> Answer<DescribeClientQuotasResponse> {
    if !ctx.allows(Operation::DescribeConfigs, Resource::Cluster) {
        let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return refused((code, code.message().to_owned())).into();
    }
    let filter = match filter(&request.components) {
        Ok(filter) => filter,
        Err(refusal) => return refused(refusal).into(),
    };
    let image = ctx.image();
    let quotas = image.security().quotas.iter();
    let met = quotas.filter(|(entity, _)| meets(entity, &filter, request.strict));
    DescribeClientQuotasResponse {
        // Kafka's word for nothing is empty here.
        error_message: Some(StrBytes::default()),
        entries: Some(met.map(|(entity, limits)| entry(entity, limits)).collect()),
        ..Default::default()
    }
    .into()
}

fn refused((error_code, message): Refusal) -> DescribeClientQuotasResponse {
    DescribeClientQuotasResponse {
        error_code,
        error_message: Some(message.into()),
        entries: None,
        ..Default::default()
    }
}

fn filter(components: &[ComponentData]) -> Result<Filter<'_>, Refusal> {
    let invalid = |message: String| (ErrorCode::INVALID_REQUEST, message);
    let mut filter = Filter::new();
    for component in components {
        let kind = component.entity_type.as_str();
        if kind.is_empty() {
            return Err(invalid("Invalid empty entity type.".to_owned()));
        }
        if filter.contains_key(kind) {
            let message = format!("Entity type {kind} cannot appear more than once in the filter.");
            return Err(invalid(message));
        }
        if !TYPES.contains(&kind) {
            let message = format!("Unsupported entity type {kind}");
            return Err((ErrorCode::UNSUPPORTED_VERSION, message));
        }
        filter.insert(kind, wanted(component).map_err(invalid)?);
    }
    if filter.contains_key(IP) && filter.len() > 1 {
        let message = "Invalid entity filter component combination. IP filter component should \
                       not be used with user or clientId filter component.";
        return Err(invalid(message.to_owned()));
    }
    Ok(filter)
}

fn wanted(component: &ComponentData) -> Result<Wanted<'_>, String> {
    match (component.match_type, component.r#match.as_deref()) {
        (EXACT, Some(name)) => Ok(Wanted::Name(name)),
        (EXACT, None) => {
            Err("Request specified MATCH_TYPE_EXACT, but set match string to null.".to_owned())
        }
        (DEFAULT, None) => Ok(Wanted::Default),
        (DEFAULT, Some(_)) => Err(also_named("MATCH_TYPE_DEFAULT")),
        (ANY, None) => Ok(Wanted::Any),
        (ANY, Some(_)) => Err(also_named("MATCH_TYPE_SPECIFIED")),
        (other, _) => Err(format!("Unknown match type {other}")),
    }
}

fn also_named(match_type: &str) -> String {
    format!("Request specified {match_type}, but also specified a match string.")
}

fn meets(entity: &QuotaEntity, filter: &Filter<'_>, strict: bool) -> bool {
    let has = |(kind, wanted): (&&str, &Wanted<'_>)| {
        let mut parts = entity.iter();
        parts.any(|(known, name)| known == kind && wanted.is(name.as_deref()))
    };
    filter.iter().all(has) && (!strict || entity.len() == filter.len())
}

fn entry(entity: &QuotaEntity, limits: &BTreeMap<String, f64>) -> EntryData {
    let part = |(kind, name): &(String, Option<String>)| EntityData {
        entity_type: StrBytes::copied(kind),
        entity_name: name.as_deref().map(StrBytes::copied),
        ..Default::default()
    };
    let limit = |(key, value): (&String, &f64)| ValueData {
        key: StrBytes::copied(key),
        value: *value,
        ..Default::default()
    };
    EntryData {
        entity: entity.iter().map(part).collect(),
        values: limits.iter().map(limit).collect(),
        ..Default::default()
    }
}
