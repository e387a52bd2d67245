//! Nodes on real sockets and disks: many in one process, on ports that the system chooses.

use std::path::Path;

use ottla_client::{Client, ClientSettings};
use ottla_env::Env;
use ottla_node::{Node, Opening, StartError};
use ottla_settings::{Input, Settings};

use crate::support::{create_topic, produce, values};

async fn start(env: &Env, folder: &Path) -> Result<Node, StartError> {
    let overrides = [
        "listeners=PLAINTEXT://localhost:0,CONTROLLER://localhost:0".to_owned(),
        format!("log.dirs={}", folder.display()),
    ];
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
