//! Nodes on real sockets and disks: many in one process, on ports that the system chooses.

use std::path::Path;

use ottla_client::{Client, ClientSettings};
use ottla_env::Env;
use ottla_metrics::{Kind, Metric};
use ottla_node::{Node, Opening, StartError};
use ottla_settings::{Input, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{create_topic, produce, values};

async fn start(env: &Env, folder: &Path) -> Result<Node, StartError> {
    start_with(env, folder, &[]).await
}

async fn start_with(env: &Env, folder: &Path, more: &[&str]) -> Result<Node, StartError> {
    let mut overrides = vec![
        "listeners=PLAINTEXT://localhost:0,CONTROLLER://localhost:0".to_owned(),
        format!("log.dirs={}", folder.display()),
    ];
    overrides.extend(more.iter().map(|line| (*line).to_owned()));
    let input = Input { overrides: &overrides, ..Input::default() };
    let settings = Settings::load(input).expect("the configuration is right").settings;
    Node::start(env, Opening { settings, cluster_id: None }).await
}

async fn client(env: &Env, node: &Node) -> Client {
    let at = node.addresses().iter().find(|at| at.listener == "PLAINTEXT").expect("it listens");
    let settings = ClientSettings::new(&at.address.to_string());
    Client::connect(env.clone(), settings).await.expect("the node answers")
}

#[test]
fn many_nodes_live_and_end_in_one_process() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    runtime.block_on(async {
        let mut nodes = Vec::new();
        for folder in &folders {
            nodes.push(start(&env, &folder.path().join("data")).await.expect("it starts"));
        }
        for node in &nodes {
            let client = client(&env, node).await;
            create_topic(&client, "fish").await;
            produce(&client, "fish", &["one"]).await;
            client.close().await;
        }
        let clusters: std::collections::BTreeSet<&str> =
            nodes.iter().map(Node::cluster_id).collect();
        assert_eq!(clusters.len(), 3);
        nodes.remove(0).stop().await;
        nodes.remove(0).crash().await;
        // Two begin again on their folders while the third goes on.
        for folder in &folders[..2] {
            let node = start(&env, &folder.path().join("data")).await.expect("it starts again");
            let client = client(&env, &node).await;
            assert_eq!(values(&client, "fish").await, ["one"]);
            client.close().await;
            node.stop().await;
        }
        let client = client(&env, &nodes[0]).await;
        assert_eq!(values(&client, "fish").await, ["one"]);
        client.close().await;
        let held = start(&env, &folders[2].path().join("data")).await.map(drop);
        assert!(held.expect_err("it is in use").to_string().contains("in use"));
    });
}

/// /metrics as an asker of `accept` gets it.
async fn metrics(env: &Env, node: &Node, accept: &str) -> String {
    let at = node.addresses().iter().find(|at| at.listener == "HTTP").expect("pages are shown");
    let (host, port) = (at.address.ip().to_string(), at.address.port());
    let mut stream = env.net().connect(&host, port).await.expect("it listens");
    let request = format!("GET /metrics HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("a page");
    text
}

#[test]
fn every_metric_of_the_table_is_on_the_page_of_a_running_node() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let shown = ["ottla.http.listener=127.0.0.1:0", "metric.reporters=ottla.ClientTelemetry"];
        let node = start_with(&env, folder.path(), &shown).await.expect("it starts");
        let client = client(&env, &node).await;
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one"]).await;
        assert_eq!(values(&client, "fish").await, ["one"]);
        let plain = metrics(&env, &node, "*/*").await;
        let open = metrics(&env, &node, "application/openmetrics-text; version=1.0.0").await;
        assert!(
            open.contains("\r\ncontent-type: application/openmetrics-text")
                && open.ends_with("# EOF\n")
        );
        for metric in Metric::ALL {
            let row = metric.row();
            let head = format!("\n# TYPE {} {}\n", row.name, row.kind.name());
            let sample = match row.kind {
                Kind::Histogram => format!("\n{}_bucket{{", row.name),
                _ => format!("\n{}", row.name),
            };
            assert!(plain.contains(&head) && plain.contains(&sample), "{}\n{plain}", row.name);
            assert!(plain.contains(row.help()), "{}", row.name);
            assert!(open.contains(&format!("\n# TYPE {} ", row.family())), "{}", row.name);
        }
        client.close().await;
        node.stop().await;
    });
}
