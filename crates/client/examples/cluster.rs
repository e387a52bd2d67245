//! Prints what a client learns of a cluster; changes nothing in it:
//! `cargo run -p ottla-client --example cluster [SERVER]`.

use ottla_client::{Client, ClientError, ClientSettings};
use ottla_env::Env;
use ottla_wire::ApiKey;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let env = Env::real(runtime.handle().clone());
    Ok(runtime.block_on(show(env, &server))?)
}

async fn show(env: Env, server: &str) -> Result<(), ClientError> {
    let client = Client::connect(env, ClientSettings::new(server)).await?;
    let cluster = client.refresh_all().await?;
    println!("cluster {}", cluster.id.as_deref().unwrap_or("without id"));
    for broker in cluster.brokers.values() {
        let versions = client.versions(broker.id).await?;
        let fetch = versions.of(ApiKey::Fetch).map_or("none".to_owned(), |fetch| fetch.to_string());
        println!("broker {} at {}:{}, Fetch {fetch}", broker.id, broker.host, broker.port);
    }
    for topic in cluster.topics.values() {
        println!("topic {} with {} partitions", topic.name, topic.partitions.len());
    }
    client.close().await;
    Ok(())
}
