//! The commands against a node of this project, in one process: what a user types, what is printed.
//!
//! Not here: options and lines by themselves, which have their tests beside them; how a node comes
//! to be (session.rs); the session that Apache Kafka's own tools had (kafka.rs).

#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod dump_log;
mod groups;
mod kafka;
mod session;
mod transactions;

use ottla_wire::messages::*;
use ottla_wire::{BrokerId, ErrorCode};
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

#[test]
fn what_needs_no_authorizer_and_no_second_broker_is_answered() {
    with_session(async |session| {
        session.run("topics --create --topic t", "").await;
        let client = session.client().await;
        let all = ElectLeadersRequest { topic_partitions: None, ..Default::default() };
        let told = client.call(&all).await.unwrap();
        let of_topics = told.replica_election_results.iter();
        let due: usize = of_topics.map(|topic| topic.partition_result.len()).sum();
        assert_eq!((told.error_code, due), (ErrorCode::NONE, 0));
        let to = |id| {
            use alter_partition_reassignments_request::*;
            let replicas = Some(vec![BrokerId(id)]);
            let partitions = vec![ReassignablePartition { replicas, ..Default::default() }];
            let topics =
                vec![ReassignableTopic { name: "t".into(), partitions, ..Default::default() }];
            AlterPartitionReassignmentsRequest { topics, ..Default::default() }
        };
        for (id, code) in [(1, ErrorCode::NONE), (2, ErrorCode::INVALID_REPLICA_ASSIGNMENT)] {
            let told = client.call(&to(id)).await.unwrap();
            assert_eq!(told.responses[0].partitions[0].error_code, code);
        }
        let all = ListPartitionReassignmentsRequest { topics: None, ..Default::default() };
        let told = client.call(&all).await.unwrap();
        assert_eq!((told.error_code, told.topics.len()), (ErrorCode::NONE, 0));
        client.close().await;
    });
}

#[test]
fn acls_and_tokens_are_refused_by_a_broker_too() {
    with_session(async |session| {
        let client = session.client().await;
        let any = DescribeAclsRequest {
            resource_type_filter: 1,
            pattern_type_filter: 1,
            operation: 1,
            permission_type: 1,
            ..Default::default()
        };
        let told = client.call(&any).await.unwrap();
        assert_eq!(told.error_code, ErrorCode::SECURITY_DISABLED);
        let any = delete_acls_request::DeleteAclsFilter {
            resource_type_filter: 1,
            pattern_type_filter: 1,
            operation: 1,
            permission_type: 1,
            ..Default::default()
        };
        let request = DeleteAclsRequest { filters: vec![any; 2], ..Default::default() };
        let told = client.call(&request).await.unwrap();
        let codes: Vec<_> = told.filter_results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [ErrorCode::SECURITY_DISABLED; 2]);
        let acl = create_acls_request::AclCreation {
            resource_type: 2,
            resource_pattern_type: 3,
            operation: 3,
            permission_type: 3,
            ..Default::default()
        };
        let request = CreateAclsRequest { creations: vec![acl], ..Default::default() };
        let told = client.call(&request).await.unwrap();
        assert_eq!(told.results[0].error_code, ErrorCode::SECURITY_DISABLED);
        let not_allowed = ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
        let created = client.call(&CreateDelegationTokenRequest::default()).await.unwrap();
        assert_eq!((created.error_code, &*created.principal_name), (not_allowed, "ANONYMOUS"));
        let renewed = client.call(&RenewDelegationTokenRequest::default()).await.unwrap();
        let expired = client.call(&ExpireDelegationTokenRequest::default()).await.unwrap();
        let described = client.call(&DescribeDelegationTokenRequest::default()).await.unwrap();
        let codes = [renewed.error_code, expired.error_code, described.error_code];
        assert_eq!(codes, [not_allowed; 3]);
        client.close().await;
    });
}

#[test]
fn leaders_are_elected_records_deleted_and_directories_told() {
    with_session(async |session| {
        session.run("topics --create --topic t --partitions 1", "").await;
        session.run("console-producer --topic t", "1\n2\n3\n").await;
        let elect = "leader-election --election-type preferred";
        let valid = "Valid replica already elected for partitions t-0\n";
        session.check(&format!("{elect} --topic t --partition 0"), valid).await;
        session.check(&format!("{elect} --all-topic-partitions"), "").await;
        session
            .check(
                &format!("{elect} --topic t --partition 9"),
                "Error completing leader election (PREFERRED) for partition: t-9: No such \
                 partition as t-9\n1 replica(s) could not be elected\ncode 1\n",
            )
            .await;
        session
            .check(
                elect,
                "One and only one of the following options is required: topic, \
                 all-topic-partitions, path-to-json-file\ncode 1\n",
            )
            .await;
        let offsets = r#"{"partitions":[{"topic":"t","partition":0,"offset":2}],"version":1}"#;
        let file = session.file("offsets.json", offsets);
        session
            .check(
                &format!("delete-records --offset-json-file {file}"),
                "Executing records delete operation\nRecords delete operation completed:\n\
                 partition: t-0\tlow_watermark: 2\n",
            )
            .await;
        let told = session.run("log-dirs --describe --topic-list t", "").await;
        let begins = "Querying brokers for log directories information\nReceived log directory \
                      information from brokers 1\n{\"brokers\":[{\"broker\":1,\"logDirs\":[\
                      {\"partitions\":[{\"partition\":\"t-0\",\"size\":";
        assert!(told.starts_with(begins), "{told}");
        assert!(told.ends_with("\"}]}],\"version\":1}\n"), "{told}");
        session
            .check(
                "log-dirs --describe --broker-list 1,7",
                "ERROR: The given brokers do not exist from --broker-list: 7. Current existent \
                 brokers: 1\ncode 1\n",
            )
            .await;
    });
}
