//! What a node refuses to start on, and what it says.

use std::path::Path;

use ottla_sim::World;

use crate::support::{refusal, start};

#[test]
fn a_node_that_is_not_alone_is_not_formatted_by_itself() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        let others = ["controller.quorum.bootstrap.servers=node-1:9093,node-2:9093"];
        let told = refusal(&env, &others).await;
        assert!(told.starts_with("/data is not formatted, and the configuration names"), "{told}");
        assert!(told.contains("ottla storage format --cluster-id "), "{told}");
        assert!(told.contains(" --standalone"), "{told}");
        assert!(!env.disk().exists(Path::new("/data/meta.properties")));
    });
}

#[test]
fn a_folder_that_holds_something_is_not_formatted() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        env.disk().create_dir_all(Path::new("/data")).unwrap();
        env.disk().write(Path::new("/data/thesis.txt"), b"...").unwrap();
        let told = refusal(&env, &[]).await;
        assert!(told.contains("not every folder of log.dirs is empty"), "{told}");
        assert!(told.contains("ottla storage format"), "{told}");
    });
}

#[test]
fn a_new_folder_beside_others_is_formatted_by_the_command_that_is_told() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        let node = start(&env).await;
        let cluster = node.cluster_id().to_owned();
        node.stop().await;
        let told = refusal(&env, &["log.dirs=/data,/more"]).await;
        assert!(told.starts_with("/more is not formatted"), "{told}");
        assert!(told.contains(&format!("--cluster-id {cluster} ")), "{told}");
        assert!(told.contains(" --ignore-formatted"), "{told}");
    });
}

#[test]
fn a_folder_cut_off_in_formatting_is_formatted_again() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        start(&env).await.stop().await;
        let disk = env.disk();
        let log = Path::new("/data/__cluster_metadata-0");
        for entry in disk.list(log).unwrap() {
            if !entry.name.ends_with(".checkpoint") || entry.name.starts_with("leader") {
                disk.remove_file(&log.join(entry.name)).unwrap();
            }
        }
        for entry in disk.list(Path::new("/data")).unwrap() {
            if !entry.is_dir && entry.name != "bootstrap.checkpoint" {
                disk.remove_file(&Path::new("/data").join(entry.name)).unwrap();
            }
        }
        start(&env).await.stop().await;
    });
}

#[test]
fn a_folder_of_another_node_or_in_use_is_refused() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        let node = start(&env).await;
        let second = ["listeners=PLAINTEXT://:9192,CONTROLLER://:9193"];
        let told = refusal(&env, &second).await;
        assert!(told.contains("/data is in use by another process"), "{told}");
        let told = refusal(&env, &[]).await;
        assert!(told.contains("another program listens there"), "{told}");
        node.stop().await;
        let told = refusal(&env, &["node.id=7"]).await;
        assert!(told.contains("node.id is 1, but the configuration has 7"), "{told}");
        start(&env).await.stop().await;
    });
}

#[test]
fn what_is_not_served_yet_is_said() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        let broker = ["process.roles=broker", "listeners=PLAINTEXT://:9092"];
        let told = refusal(&env, &broker).await;
        assert!(told.contains("process.roles=broker is not served yet"), "{told}");
        let tls = [
            "listeners=SSL://:9092,CONTROLLER://:9093",
            "listener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name=SSL",
        ];
        let told = refusal(&env, &tls).await;
        assert!(told.contains("only PLAINTEXT is served yet"), "{told}");
        let told = refusal(&env, &["authorizer.class.name=some.Authorizer"]).await;
        assert!(told.contains("is not served: there are no ACLs here"), "{told}");
        let voters = ["controller.quorum.voters=1@node-1:9093,2@node-2:9093"];
        let told = refusal(&env, &voters).await;
        assert!(told.contains("the configuration names other nodes"), "{told}");
    });
}
