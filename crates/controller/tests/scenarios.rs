//! What requests do, in `scenarios/`: a command, and below it all that it caused.
//!
//! `=` is an answer, `>` a record. A scenario begins with a sentence and, in brackets, the cluster
//! it happens in. UPDATE_EXPECT=1 writes the files anew. Sentences to clients are those of Apache
//! Kafka 4.3.1 where they were seen there; records are compared by like_kafka.rs.

mod cluster;

use cluster::Cluster;

/// The cluster that a scenario names.
fn cluster(kind: &str) -> Cluster {
    let patient = ["broker.session.timeout.ms=1000000"];
    let (overrides, brokers): (&[&str], _) = match kind {
        "nothing" => return Cluster::new(1, &[]),
        "one broker" => (&[], 1),
        "three brokers" => (&[], 3),
        "patient brokers" => (&patient, 3),
        other => panic!("no such cluster: {other}"),
    };
    let mut cluster = Cluster::new(1, overrides);
    cluster.script("activate");
    for (id, directory) in (1..=brokers).zip(['a', 'b', 'c']) {
        cluster.script(&format!("register {id} dirs={directory}\nheartbeat {id} cordoned="));
    }
    cluster
}

/// Runs every scenario of a file and compares what is told with what stands there.
fn check(name: &str, text: &str) {
    let mut told = String::new();
    for scenario in text.split("# ").skip(1) {
        let (title, rest) = scenario.split_once('\n').expect("a title");
        let kind = title.rsplit_once(" (").and_then(|(_, kind)| kind.strip_suffix(')'));
        let commands: Vec<&str> = rest.lines().filter(|line| !line.starts_with("  ")).collect();
        if !told.is_empty() {
            told.push('\n');
        }
        told.push_str(&format!("# {title}\n"));
        told.push_str(&cluster(kind.expect("a cluster")).script(&commands.join("\n")));
    }
    let path = format!("{}/tests/scenarios/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    expect_test::expect_file![path].assert_eq(&told);
}

#[test]
fn topics_and_their_partitions_come_and_go() {
    check("topics", include_str!("scenarios/topics.txt"));
}

#[test]
fn configs_change_by_kafkas_rules() {
    check("configs", include_str!("scenarios/configs.txt"));
}

#[test]
fn brokers_come_stay_and_leave() {
    check("brokers", include_str!("scenarios/brokers.txt"));
}

#[test]
fn partitions_have_leaders_that_have_all_records() {
    check("partitions", include_str!("scenarios/partitions.txt"));
}

#[test]
fn partitions_get_the_replicas_and_leaders_that_are_asked_for() {
    check("reassignments", include_str!("scenarios/reassignments.txt"));
}

#[test]
fn limits_of_clients_are_kept_by_entity() {
    check("quotas", include_str!("scenarios/quotas.txt"));
}

#[test]
fn users_get_credentials_one_at_a_time() {
    check("credentials", include_str!("scenarios/credentials.txt"));
}

#[test]
fn features_and_producer_ids_are_handed_out() {
    check("features", include_str!("scenarios/features.txt"));
}

#[test]
fn controllers_register_and_leave_for_good() {
    check("controllers", include_str!("scenarios/controllers.txt"));
}
