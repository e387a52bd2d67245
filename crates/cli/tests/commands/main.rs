//! The commands against a node of this project, in one process: what a user types, what is printed.
//!
//! Not here: options and lines by themselves, which have their tests beside them; how a node comes
//! to be (session.rs); the session that Apache Kafka's own tools had (kafka.rs).

#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod dump_log;
mod kafka;
mod session;

use session::with_session;

#[test]
fn topics_come_and_go() {
    with_session(async |session| {
        session
            .check("topics --create --topic orders --partitions 2", "Created topic orders.\n")
            .await;
        session
            .check(
                "topics --create --topic orders",
                "Error while executing topic command : Topic 'orders' already exists.\ncode 1\n",
            )
            .await;
        session.check("topics --create --topic orders --if-not-exists", "").await;
        session.check("topics --list", "orders\n").await;
        session.check("topics --alter --topic orders --partitions 3", "").await;
        let described = session.run("topics --describe --topic orders", "").await;
        assert!(described.contains("\tPartitionCount: 3\tReplicationFactor: 1\t"), "{described}");
        let last = "\tTopic: orders\tPartition: 2\tLeader: 1\tReplicas: 1\tIsr: 1\t";
        assert!(described.contains(last), "{described}");
        session.check("topics --delete --topic orders", "").await;
        session
            .check(
                "topics --describe --topic orders",
                "Error while executing topic command : Topic 'orders' does not exist as expected\n\
                 code 1\n",
            )
            .await;
    });
}

#[test]
fn configs_are_set_and_described() {
    with_session(async |session| {
        session.run("topics --create --topic orders", "").await;
        session
            .check(
                "configs --alter --topic orders --add-config \
                 retention.ms=5,cleanup.policy=[compact,delete]",
                "Completed updating config for topic orders.\n",
            )
            .await;
        let described = session.run("configs --describe --topic orders", "").await;
        let line = "  retention.ms=5 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5";
        assert!(described.contains(line), "{described}");
        assert!(described.contains("  cleanup.policy=compact,delete "), "{described}");
        let refused = session.run("configs --alter --topic orders --add-config bogus=1", "").await;
        assert!(refused.contains("Unknown topic config name: bogus"), "{refused}");
        assert!(refused.ends_with("code 1\n"), "{refused}");
    });
}

#[test]
fn configs_are_set_and_described_without_a_broker() {
    with_session(async |session| {
        let set = "configs --entity-type brokers --entity-name 1 --alter --add-config \
                   log.cleaner.threads=2";
        let done = "Completed updating config for broker 1.\n";
        assert_eq!(session.run_at_controller(set).await, done);
        let described = session.run_at_controller("configs --entity-type brokers --describe").await;
        let expect = "Dynamic configs for broker 1 are:
  log.cleaner.threads=2 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.cleaner.threads=2, \
                      DEFAULT_CONFIG:log.cleaner.threads=1}\n";
        assert!(described.starts_with(expect), "{described}");
        session.run("topics --create --topic orders", "").await;
        let set = "configs --topic orders --alter --add-config retention.ms=7";
        let done = "Completed updating config for topic orders.\n";
        assert_eq!(session.run_at_controller(set).await, done);
        let refused = session.run_at_controller("configs --topic orders --describe").await;
        assert!(refused.contains("controllers describe brokers"), "{refused}");
    });
}

#[test]
fn records_are_written_and_read_and_groups_keep_their_place() {
    with_session(async |session| {
        session.run("topics --create --topic orders --partitions 1", "").await;
        let keyed = "--reader-property parse.key=true --reader-property key.separator=:";
        session.run(&format!("console-producer --topic orders {keyed}"), "a:1\nb:2\nc:3\n").await;
        session.check("get-offsets --topic orders", "orders:0:3\n").await;
        let consume = "console-consumer --topic orders --formatter-property print.key=true";
        session
            .check(
                &format!("{consume} --group g --from-beginning --max-messages 2"),
                "a\t1\nb\t2\n",
            )
            .await;
        let described = session.run("consumer-groups --describe --group g", "").await;
        let line: Vec<&str> = described.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(line, ["g", "orders", "0", "2", "3", "1", "-", "-", "-"]);
        session.check(&format!("{consume} --group g --max-messages 1"), "c\t3\n").await;
        session
            .check(
                "consumer-groups --reset-offsets --group g --all-topics --shift-by -2 --execute",
                "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
                 g               orders          0          1\n",
            )
            .await;
        session.check(&format!("{consume} --group g --max-messages 1"), "b\t2\n").await;
        session
            .check(
                "consumer-groups --delete --group g",
                "Deletion of requested consumer groups ('g') was successful.\n",
            )
            .await;
        session.check("consumer-groups --list", "").await;
    });
}

#[test]
fn a_partition_is_read_from_an_offset_without_a_group() {
    with_session(async |session| {
        session.run("topics --create --topic orders --partitions 1", "").await;
        session.run("console-producer --topic orders --compression-codec zstd", "1\n2\n3\n").await;
        let one = "console-consumer --topic orders --partition 0 --max-messages 1";
        session.check(&format!("{one} --offset 1"), "2\n").await;
        session.check(&format!("{one} --offset earliest"), "1\n").await;
        session.check("consumer-groups --list", "").await;
    });
}
