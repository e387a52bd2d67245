//! `ottla broker-api-versions` (kafka-broker-api-versions.sh): which APIs each broker serves, in
//! which versions, and which of them this client would use.

use std::io::Write;

use ottla_client::core::cluster::Broker;
use ottla_client::core::versions::Versions;
use ottla_wire::ApiKey;
use ottla_wire::registry::{APIS, Listener, api_info};

use crate::client_options::{self, BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[BOOTSTRAP_SERVER.required(), COMMAND_CONFIG, HELP, VERSION];

/// Prints a block for each broker.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    parsed.need(&[BOOTSTRAP_SERVER.name])?;
    let client = client_options::admin(context, parsed).await?;
    for broker in client.cluster().brokers.values() {
        match client.versions(broker.id).await {
            Ok(versions) => write!(context.out, "{}", block(broker, &versions))?,
            Err(error) => writeln!(context.out, "{} -> ERROR: {error}", named(broker))?,
        }
    }
    client.close().await;
    Ok(())
}

fn named(broker: &Broker) -> String {
    let rack = broker.rack.as_deref().unwrap_or("null");
    let Broker { id, host, port, .. } = broker;
    format!("{host}:{port} (id: {id} rack: {rack} isFenced: false)")
}

fn block(broker: &Broker, versions: &Versions) -> String {
    let mut lines: Vec<(i16, String)> = versions
        .iter()
        .map(|(key, range)| {
            let served = match range.min == range.max {
                true => range.min.to_string(),
                false => format!("{} to {}", range.min, range.max),
            };
            let Some(api) = ApiKey::from_i16(key) else {
                return (key, format!("UNKNOWN({key}): {served}"));
            };
            let usable = match versions.pick(api, api_info(api).versions) {
                Some(version) => format!("[usable: {version}]"),
                None => "[unusable: node too new]".to_owned(),
            };
            (key, format!("{}({key}): {served} {usable}", api.name()))
        })
        .collect();
    let of_brokers = APIS.iter().filter(|info| info.listeners.contains(&Listener::Broker));
    let unserved = of_brokers.filter(|info| versions.of(info.key).is_none());
    lines.extend(unserved.map(|info| {
        let number = info.key as i16;
        (number, format!("{}({number}): UNSUPPORTED", info.name))
    }));
    lines.sort();
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| format!("\t{line}")).collect();
    format!("{} -> (\n{}\n)\n", named(broker), lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::ApiVersionsResponse;
    use ottla_wire::messages::api_versions_response::ApiVersion;

    use super::*;

    #[test]
    fn what_is_served_stands_beside_what_is_usable() {
        let api = |api_key, min_version, max_version| ApiVersion {
            api_key,
            min_version,
            max_version,
            ..Default::default()
        };
        let api_keys = vec![api(0, 0, 99), api(47, 0, 0), api(1, 90, 99), api(999, 1, 2)];
        let versions =
            Versions::from_response(&ApiVersionsResponse { api_keys, ..Default::default() });
        let broker =
            Broker { id: ottla_wire::BrokerId(1), host: "h".into(), port: 9092, rack: None };
        let text = block(&broker, &versions);
        assert!(text.starts_with("h:9092 (id: 1 rack: null isFenced: false) -> (\n\tProduce(0): "));
        for line in [
            "\tProduce(0): 0 to 99 [usable: 13],\n",
            "\tFetch(1): 90 to 99 [unusable: node too new],\n",
            "\tListOffsets(2): UNSUPPORTED,\n",
            "\tOffsetDelete(47): 0 [usable: 0],\n",
            "\tUNKNOWN(999): 1 to 2\n)\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("Envelope"));
    }
}
