//! A controller with its log in memory, driven by commands in text.
//!
//! One command per line; what it answers and writes is told in lines. Ids are shown as the names
//! of what they belong to, so that the text does not depend on what was drawn.
#![allow(clippy::unwrap_used, reason = "a test says why it fails by its line")]
#![allow(dead_code, reason = "each test uses its part of the words")]

use std::collections::BTreeMap;
use std::fmt::Write;

use ottla_controller::{Controller, ControllerReply, Decision, Live, Soft};
use ottla_machine::kit::Kit;
use ottla_machine::{Decided, Prng, Ticket};
use ottla_metadata::{Bootstrap, Image, MetadataRecord, bootstrap_records};
use ottla_settings::{Input, Settings};
use ottla_wire::messages as m;
use ottla_wire::{
    BrokerEpoch, BrokerId, DirectoryId, ErrorCode, LeaderEpoch, Offset, PartitionEpoch,
    PartitionIndex, StrBytes, Timestamp, TopicId, Uuid,
};

pub(crate) const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

/// A controller and its world.
pub(crate) struct Cluster {
    pub(crate) controller: Controller,
    pub(crate) kit: Kit<Image, ControllerReply>,
    pub(crate) soft: Soft,
    pub(crate) now: Timestamp,
    pub(crate) random: Prng,
    /// Records whose names were told already.
    pub(crate) names: Names,
}

impl Cluster {
    pub(crate) fn new(seed: u64, overrides: &[&str]) -> Self {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let input = Input { overrides: &overrides, ..Input::default() };
        let settings = Settings::load(input).unwrap().settings;
        let mut cluster = Cluster {
            controller: Controller::new(settings, CLUSTER),
            kit: Kit::default(),
            soft: Soft::default(),
            now: Timestamp(0),
            random: Prng::new(seed),
            names: Names::default(),
        };
        // A real log begins with three control records.
        let filler = vec![m::NoOpRecord::default().into(); 3];
        cluster.kit.decide(Decided { records: filler, ..Decided::default() });
        cluster
    }

    /// A decision on the present state, appended and committed.
    pub(crate) fn ask<R: Into<ControllerReply> + Clone>(
        &mut self,
        decide: impl FnOnce(&Controller, &mut Live<'_>) -> Decision<R>,
    ) -> (R, Vec<MetadataRecord>) {
        let image = self.kit.live().clone();
        let mut live = Live {
            image: &image,
            soft: &mut self.soft,
            end: image.provenance().offset.next(),
            now: self.now,
            random: &mut self.random,
        };
        let decision = decide(&self.controller, &mut live);
        let (response, records) = (decision.response.clone(), decision.records.clone());
        let replies = self.kit.decide(decision.decided(Ticket(1)));
        assert_eq!(replies.len(), 1);
        (response, records)
    }

    /// A decision of the controller by itself.
    fn by_itself(
        &mut self,
        decide: impl FnOnce(&Controller, &mut Live<'_>) -> Decided<MetadataRecord, ControllerReply>,
    ) -> (Vec<MetadataRecord>, Option<Timestamp>) {
        let image = self.kit.live().clone();
        let mut live = Live {
            image: &image,
            soft: &mut self.soft,
            end: image.provenance().offset.next(),
            now: self.now,
            random: &mut self.random,
        };
        let decided = decide(&self.controller, &mut live);
        let told = (decided.records.clone(), decided.wake);
        self.kit.decide(decided);
        told
    }

    pub(crate) fn activate(&mut self) -> Vec<MetadataRecord> {
        let bootstrap = bootstrap_records(&Bootstrap::default()).unwrap();
        self.by_itself(|controller, live| controller.activate(live, &bootstrap)).0
    }

    /// Lets time pass, with every tick that is due.
    pub(crate) fn elapse(&mut self, ms: i64) -> Vec<MetadataRecord> {
        let end = self.now + ms;
        let mut records = Vec::new();
        while self.now < end {
            let (more, wake) = self.by_itself(|controller, live| controller.tick(live));
            records.extend(more.into_iter().filter(|record| record.key() != 20));
            self.now = wake.unwrap().max(self.now + 1).min(end);
        }
        records.extend(self.by_itself(|controller, live| controller.tick(live)).0);
        records.retain(|record| record.key() != 20);
        records
    }

    pub(crate) fn image(&self) -> &Image {
        self.kit.live()
    }

    pub(crate) fn epoch(&self, id: BrokerId) -> BrokerEpoch {
        self.image().broker(id).map_or(BrokerEpoch(-1), |broker| broker.epoch)
    }

    pub(crate) fn topic_id(&self, name: &str) -> TopicId {
        self.image().topic_by_name(name).map_or(TopicId(Uuid::from_u128(7)), |topic| topic.id)
    }

    /// Runs commands and tells what became of them.
    pub(crate) fn script(&mut self, script: &str) -> String {
        let mut told = String::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (reply, records) = self.command(line);
            writeln!(told, "{line}").unwrap();
            for line in reply.lines() {
                writeln!(told, "  = {line}").unwrap();
            }
            for line in self.names.told(&records) {
                writeln!(told, "  > {line}").unwrap();
            }
        }
        told
    }

    fn command(&mut self, line: &str) -> (String, Vec<MetadataRecord>) {
        let words = Words::new(line);
        match words.first {
            "activate" => (String::new(), self.activate()),
            "elapse" => (String::new(), self.elapse(words.plain[0].parse().unwrap())),
            "disconnect" => {
                self.soft.disconnected(words.broker());
                (String::new(), Vec::new())
            }
            "register" => self.register(&words),
            "unregister" => {
                let request =
                    m::UnregisterBrokerRequest { broker_id: words.broker(), ..Default::default() };
                let (reply, records) = self.ask(|c, live| c.unregister_broker(live, &request));
                (outcome(reply.error_code, reply.error_message.as_ref()), records)
            }
            "heartbeat" => self.heartbeat(&words),
            "create" => self.create(line, &words),
            "delete" => self.delete(&words),
            "partitions" => self.partitions(&words),
            "set" | "unset" | "append" | "subtract" => self.alter(&words),
            "replace" => self.replace(&words),
            "isr" => self.isr(&words),
            "assign" => self.assign(&words),
            "producer_ids" => {
                let request = m::AllocateProducerIdsRequest {
                    broker_id: words.broker(),
                    broker_epoch: self.epoch(words.broker()),
                    ..Default::default()
                };
                let (reply, records) = self.ask(|c, live| c.allocate_producer_ids(live, &request));
                let told = format!(
                    "{} from {} {}",
                    reply.error_code.name(),
                    reply.producer_id_start,
                    reply.producer_id_len
                );
                (told, records)
            }
            "features" => self.features(&words),
            "unregister-controller" => {
                let request = m::UnregisterControllerRequest {
                    controller_id: words.broker(),
                    ..Default::default()
                };
                let (reply, records) = self.ask(|c, live| c.unregister_controller(live, &request));
                (outcome(reply.error_code, reply.error_message.as_ref()), records)
            }
            "elect" => self.elect(&words),
            "reassign" => self.reassign(&words),
            "reassignments" => (self.reassignments(), Vec::new()),
            "quota" => self.quota(&words),
            "scram" => self.scram(&words),
            "controller" => {
                // A controller of 4.4 knows the levels up to 33.
                let newer = |name| i16::from(name == "metadata.version" && words.has("newest")) * 3;
                let feature = |(name, min, max): &(&'static str, i16, i16)| {
                    m::controller_registration_request::Feature {
                        name: (*name).into(),
                        min_supported_version: *min,
                        max_supported_version: *max + newer(*name),
                        ..Default::default()
                    }
                };
                let request = m::ControllerRegistrationRequest {
                    controller_id: words.broker(),
                    features: FEATURES.iter().map(feature).collect(),
                    ..Default::default()
                };
                let (reply, records) = self.ask(|c, live| c.register_controller(live, &request));
                (outcome(reply.error_code, reply.error_message.as_ref()), records)
            }
            other => panic!("no such command: {other}"),
        }
    }

    fn register(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let feature =
            |(name, min, max): (&'static str, i16, i16)| m::broker_registration_request::Feature {
                name: name.into(),
                min_supported_version: min,
                max_supported_version: max,
                ..Default::default()
            };
        let without = words.get("without");
        let features = FEATURES.iter().copied().filter(|(name, ..)| Some(*name) != without);
        let request = m::BrokerRegistrationRequest {
            broker_id: words.broker(),
            cluster_id: StrBytes::copied(words.get("cluster").unwrap_or(CLUSTER)),
            incarnation_id: Uuid::from_u128(words.number("incarnation", 1) as u128),
            listeners: vec![m::broker_registration_request::Listener {
                name: "PLAINTEXT".into(),
                host: "127.0.0.1".into(),
                port: 1234,
                ..Default::default()
            }],
            features: features.map(feature).collect(),
            rack: words.get("rack").map(StrBytes::copied),
            log_dirs: words.list("dirs").into_iter().map(directory).collect(),
            previous_broker_epoch: match words.get("previous") {
                Some("same") => self.epoch(words.broker()),
                _ => BrokerEpoch(-1),
            },
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.register_broker(live, &request));
        (reply.error_code.name().to_owned(), records)
    }

    fn heartbeat(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let directories = |key| words.list(key).into_iter().map(directory).collect();
        let request = m::BrokerHeartbeatRequest {
            broker_id: words.broker(),
            broker_epoch: self.epoch(words.broker()),
            current_metadata_offset: Offset(words.number("offset", 1 << 40)),
            want_fence: words.has("fence"),
            want_shut_down: words.has("stop"),
            offline_log_dirs: directories("offline"),
            cordoned_log_dirs: words.get("cordoned").map(|_| directories("cordoned")),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.broker_heartbeat(live, &request));
        let mut told = reply.error_code.name().to_owned();
        let flags = [
            (reply.is_caught_up, " caught-up"),
            (reply.is_fenced, " fenced"),
            (reply.should_shut_down, " may-stop"),
        ];
        flags.iter().filter(|(is, _)| *is).for_each(|(_, flag)| told.push_str(flag));
        (told, records)
    }

    /// `create NAME [p=N] [r=N] [INDEX:BROKER,..] [config=value] [+ NAME ..] [validate]`
    fn create(&mut self, line: &str, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let topics = line.trim_start_matches("create").split(" + ").map(creatable).collect();
        let request = m::CreateTopicsRequest {
            topics,
            validate_only: words.has("validate"),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.create_topics(live, &request));
        let told = reply.topics.iter().map(|topic| {
            let own = topic.configs.iter().flatten().filter(|config| config.config_source == 1);
            let own: Vec<String> = own
                .map(|config| format!(" {}={}", config.name, config.value.as_ref().unwrap()))
                .collect();
            let counts = match topic.error_code {
                ErrorCode::NONE => {
                    format!(" p={} r={}", topic.num_partitions, topic.replication_factor)
                }
                _ => String::new(),
            };
            let outcome = outcome(topic.error_code, topic.error_message.as_ref());
            format!("{}: {outcome}{counts}{}\n", topic.name, own.concat())
        });
        (told.collect(), records)
    }

    fn delete(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let topic = |word: &&str| {
            let (name, id) = match word.split_once("id:") {
                Some((name, of)) => (Some(name).filter(|name| !name.is_empty()), self.topic_id(of)),
                None => (Some(*word).filter(|word| *word != "-"), TopicId::ZERO),
            };
            let name = name.map(StrBytes::copied);
            m::delete_topics_request::DeleteTopicState { name, topic_id: id, ..Default::default() }
        };
        let topics = words.plain.iter().map(topic).collect();
        let request = m::DeleteTopicsRequest { topics, ..Default::default() };
        let (reply, records) = self.ask(|c, live| c.delete_topics(live, &request));
        let told = reply.responses.iter().map(|topic| {
            let name = topic.name.as_ref().map_or("-", |name| name.as_str());
            format!("{name}: {}\n", outcome(topic.error_code, topic.error_message.as_ref()))
        });
        (told.collect(), records)
    }

    /// `partitions NAME COUNT [BROKER,..]..`
    fn partitions(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let assignments: Vec<_> = words.plain[2..]
            .iter()
            .map(|word| m::create_partitions_request::CreatePartitionsAssignment {
                broker_ids: brokers(word),
                ..Default::default()
            })
            .collect();
        let topic = m::create_partitions_request::CreatePartitionsTopic {
            name: StrBytes::copied(words.plain[0]),
            count: words.plain[1].parse().unwrap(),
            assignments: (!assignments.is_empty()).then_some(assignments),
            ..Default::default()
        };
        let request = m::CreatePartitionsRequest { topics: vec![topic], ..Default::default() };
        let (reply, records) = self.ask(|c, live| c.create_partitions(live, &request));
        let result = &reply.results[0];
        (outcome(result.error_code, result.error_message.as_ref()), records)
    }

    /// `set KIND/NAME key=value..`; kinds are topic, broker, group, metrics.
    fn alter(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let config_operation = match words.first {
            "set" => 0,
            "unset" => 1,
            "append" => 2,
            _ => 3,
        };
        let config =
            |(name, value): &(&str, &str)| m::incremental_alter_configs_request::AlterableConfig {
                name: StrBytes::copied(name),
                config_operation,
                value: (*value != "null").then(|| StrBytes::copied(value)),
                ..Default::default()
            };
        let (resource_type, resource_name) = resource(words.plain[0]);
        let resource = m::incremental_alter_configs_request::AlterConfigsResource {
            resource_type,
            resource_name,
            configs: words.pairs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = m::IncrementalAlterConfigsRequest {
            resources: vec![resource; 1 + usize::from(words.has("twice"))],
            validate_only: words.has("validate"),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.incremental_alter_configs(live, &request));
        let told = reply.responses.iter();
        let told =
            told.map(|one| format!("{}\n", outcome(one.error_code, one.error_message.as_ref())));
        (told.collect(), records)
    }

    fn replace(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let config = |(name, value): &(&str, &str)| m::alter_configs_request::AlterableConfig {
            name: StrBytes::copied(name),
            value: (*value != "null").then(|| StrBytes::copied(value)),
            ..Default::default()
        };
        let (resource_type, resource_name) = resource(words.plain[0]);
        let resource = m::alter_configs_request::AlterConfigsResource {
            resource_type,
            resource_name,
            configs: words.pairs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = m::AlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let (reply, records) = self.ask(|c, live| c.alter_configs(live, &request));
        let one = &reply.responses[0];
        (outcome(one.error_code, one.error_message.as_ref()), records)
    }

    /// `isr BROKER TOPIC INDEX MEMBER,.. [le=N] [pe=N] [epoch=N] [recovering]`
    fn isr(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let index = PartitionIndex(words.plain[2].parse().unwrap());
        let known = self.image().topic_by_name(words.plain[1]);
        let known = known.and_then(|topic| topic.partitions.get(&index)).cloned();
        let known = known.unwrap_or_default();
        let state = |id: BrokerId| m::alter_partition_request::BrokerState {
            broker_id: id,
            broker_epoch: BrokerEpoch(words.number("epoch", self.epoch(id).0)),
            ..Default::default()
        };
        let epoch = |key, known: i32| i32::try_from(words.number(key, known.into())).unwrap();
        let partition = m::alter_partition_request::PartitionData {
            partition_index: index,
            leader_epoch: LeaderEpoch(epoch("le", known.leader_epoch.0)),
            partition_epoch: PartitionEpoch(epoch("pe", known.partition_epoch.0)),
            new_isr_with_epochs: brokers(words.plain[3]).into_iter().map(state).collect(),
            leader_recovery_state: i8::from(words.has("recovering")),
            ..Default::default()
        };
        let topic = m::alter_partition_request::TopicData {
            topic_id: self.topic_id(words.plain[1]),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = m::AlterPartitionRequest {
            broker_id: words.broker(),
            broker_epoch: self.epoch(words.broker()),
            topics: vec![topic],
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.alter_partition(live, &request));
        let Some(one) = reply.topics.first().map(|topic| &topic.partitions[0]) else {
            return (reply.error_code.name().to_owned(), records);
        };
        let told = match one.error_code {
            ErrorCode::NONE => format!(
                "leader={} le={} pe={} isr={}",
                one.leader_id,
                one.leader_epoch,
                one.partition_epoch,
                one.isr.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",")
            ),
            code => code.name().to_owned(),
        };
        (told, records)
    }

    /// `assign BROKER DIRECTORY TOPIC INDEX`
    fn assign(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        use m::assign_replicas_to_dirs_request as dirs;
        let partition = dirs::PartitionData {
            partition_index: PartitionIndex(words.plain[3].parse().unwrap()),
            ..Default::default()
        };
        let topic = dirs::TopicData {
            topic_id: self.topic_id(words.plain[2]),
            partitions: vec![partition],
            ..Default::default()
        };
        let directory = dirs::DirectoryData {
            id: directory(words.plain[1]),
            topics: vec![topic],
            ..Default::default()
        };
        let request = m::AssignReplicasToDirsRequest {
            broker_id: words.broker(),
            broker_epoch: self.epoch(words.broker()),
            directories: vec![directory],
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.assign_replicas_to_dirs(live, &request));
        let one = reply.directories.first().map(|one| one.topics[0].partitions[0].error_code);
        (one.unwrap_or(reply.error_code).name().to_owned(), records)
    }

    /// `elect [TOPIC:INDEX..] [none] [unclean] [type=N]`; without partitions all.
    fn elect(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let named = words.plain.iter().filter_map(|word| word.split_once(':'));
        let named = named.map(|(topic, index)| m::elect_leaders_request::TopicPartitions {
            topic: StrBytes::copied(topic),
            partitions: vec![PartitionIndex(index.parse().unwrap())],
            ..Default::default()
        });
        let named: Vec<_> = named.collect();
        let unclean = i64::from(words.has("unclean"));
        let request = m::ElectLeadersRequest {
            election_type: i8::try_from(words.number("type", unclean)).unwrap(),
            topic_partitions: (!named.is_empty() || words.has("none")).then_some(named),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.elect_leaders(live, &request));
        let mut told = format!("{}\n", reply.error_code.name());
        for topic in &reply.replica_election_results {
            for one in &topic.partition_result {
                let outcome = outcome(one.error_code, one.error_message.as_ref());
                writeln!(told, "{}-{}: {outcome}", topic.topic, one.partition_id).unwrap();
            }
        }
        (told, records)
    }

    /// `reassign TOPIC:INDEX=BROKER,..|cancel.. [same-size]`
    fn reassign(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        use m::alter_partition_reassignments_request as reassign;
        let topic = |(at, replicas): &(&str, &str)| {
            let (name, index) = at.split_once(':').unwrap();
            let partition = reassign::ReassignablePartition {
                partition_index: PartitionIndex(index.parse().unwrap()),
                replicas: (*replicas != "cancel").then(|| brokers(replicas)),
                ..Default::default()
            };
            reassign::ReassignableTopic {
                name: StrBytes::copied(name),
                partitions: vec![partition],
                ..Default::default()
            }
        };
        let request = m::AlterPartitionReassignmentsRequest {
            allow_replication_factor_change: !words.has("same-size"),
            topics: words.pairs.iter().map(topic).collect(),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.alter_partition_reassignments(live, &request));
        let told = reply.responses.iter().map(|topic| {
            let one = &topic.partitions[0];
            let outcome = outcome(one.error_code, one.error_message.as_ref());
            format!("{}-{}: {outcome}\n", topic.name, one.partition_index)
        });
        if reply.responses.is_empty() {
            let (message, may_resize) =
                (&reply.error_message, reply.allow_replication_factor_change);
            return (format!("nothing {message:?} {may_resize}"), records);
        }
        (told.collect(), records)
    }

    /// `reassignments`: what is under way.
    fn reassignments(&mut self) -> String {
        let list =
            |ids: &[BrokerId]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        let request = m::ListPartitionReassignmentsRequest { topics: None, ..Default::default() };
        let reply = ottla_controller::list_partition_reassignments(self.image(), &request);
        let told = reply.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(move |one| {
                format!(
                    "{}-{} replicas={} adding={} removing={}\n",
                    topic.name,
                    one.partition_index,
                    list(&one.replicas),
                    list(&one.adding_replicas),
                    list(&one.removing_replicas)
                )
            })
        });
        told.collect()
    }

    /// `quota TYPE:NAME.. key=limit.. [twice] [validate]`; the name `-` stands for the default, the
    /// limit `none` for its removal.
    fn quota(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        use m::alter_client_quotas_request as quotas;
        let parts = words.plain.iter().filter_map(|word| word.split_once(':'));
        let part = |(kind, name): (&str, &str)| quotas::EntityData {
            entity_type: StrBytes::copied(kind),
            entity_name: (name != "-").then(|| StrBytes::copied(name)),
            ..Default::default()
        };
        let op = |(key, limit): &(&str, &str)| quotas::OpData {
            key: StrBytes::copied(key),
            value: limit.parse().unwrap_or_default(),
            remove: *limit == "none",
            ..Default::default()
        };
        let entry = quotas::EntryData {
            entity: parts.map(part).collect(),
            ops: words.pairs.iter().map(op).collect(),
            ..Default::default()
        };
        let request = m::AlterClientQuotasRequest {
            entries: vec![entry; 1 + usize::from(words.has("twice"))],
            validate_only: words.has("validate"),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.alter_client_quotas(live, &request));
        let told = reply.entries.iter();
        let told =
            told.map(|one| format!("{}\n", outcome(one.error_code, one.error_message.as_ref())));
        (told.collect(), records)
    }

    /// `scram [USER] MECHANISM=ITERATIONS..`; `none` iterations stand for a deletion, the password
    /// `empty` for none.
    fn scram(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        use m::alter_user_scram_credentials_request as scram;
        let name = StrBytes::copied(words.plain.first().copied().unwrap_or_default());
        let (deletions, upsertions): (Vec<_>, Vec<_>) =
            words.pairs.iter().partition(|(_, iterations)| *iterations == "none");
        let deletion = |(mechanism, _): &(&str, &str)| scram::ScramCredentialDeletion {
            name: name.clone(),
            mechanism: mechanism.parse().unwrap(),
            ..Default::default()
        };
        let salted_password: &[u8] = if words.has("empty") { b"" } else { b"salted" };
        let upsertion = |(mechanism, iterations): &(&str, &str)| scram::ScramCredentialUpsertion {
            name: name.clone(),
            mechanism: mechanism.parse().unwrap(),
            iterations: iterations.parse().unwrap(),
            salt: ottla_wire::Bytes::from_static(b"salt"),
            salted_password: ottla_wire::Bytes::from_static(salted_password),
            ..Default::default()
        };
        let request = m::AlterUserScramCredentialsRequest {
            deletions: deletions.iter().map(deletion).collect(),
            upsertions: upsertions.iter().map(upsertion).collect(),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.alter_user_scram_credentials(live, &request));
        let told = reply.results.iter().map(|one| {
            format!("{}: {}\n", one.user, outcome(one.error_code, one.error_message.as_ref()))
        });
        (told.collect(), records)
    }

    /// `features NAME=LEVEL.. [safe] [unsafe] [validate]`
    fn features(&mut self, words: &Words<'_>) -> (String, Vec<MetadataRecord>) {
        let upgrade_type = match (words.has("safe"), words.has("unsafe")) {
            (true, _) => 2,
            (_, true) => 3,
            _ => 1,
        };
        let update = |(name, level): &(&str, &str)| m::update_features_request::FeatureUpdateKey {
            feature: StrBytes::copied(name),
            max_version_level: level.parse().unwrap(),
            upgrade_type,
            ..Default::default()
        };
        let request = m::UpdateFeaturesRequest {
            feature_updates: words.pairs.iter().map(update).collect(),
            validate_only: words.has("validate"),
            ..Default::default()
        };
        let (reply, records) = self.ask(|c, live| c.update_features(live, &request));
        let mut told = outcome(reply.error_code, reply.error_message.as_ref());
        for one in &reply.results {
            let outcome = outcome(one.error_code, one.error_message.as_ref());
            write!(told, "\n{}: {outcome}", one.feature).unwrap();
        }
        (told, records)
    }
}

pub(crate) const FEATURES: &[(&str, i16, i16)] = &[
    ("metadata.version", 7, 30),
    ("group.version", 0, 1),
    ("transaction.version", 0, 2),
    ("eligible.leader.replicas.version", 0, 1),
    ("share.version", 0, 2),
    ("streams.version", 0, 1),
    ("kraft.version", 0, 1),
];

fn outcome(code: ErrorCode, message: Option<&StrBytes>) -> String {
    match message {
        Some(message) if !message.is_empty() => format!("{}: {message}", code.name()),
        _ => code.name().to_owned(),
    }
}

fn resource(word: &str) -> (i8, StrBytes) {
    let (kind, name) = word.split_once('/').unwrap();
    let kind = match kind {
        "topic" => 2,
        "broker" => 4,
        "metrics" => 16,
        "group" => 32,
        other => other.parse().unwrap(),
    };
    (kind, StrBytes::copied(name))
}

pub(crate) fn brokers(list: &str) -> Vec<BrokerId> {
    list.split(',').filter(|id| !id.is_empty()).map(|id| BrokerId(id.parse().unwrap())).collect()
}

/// A directory's id by its letter; `lost` and `unassigned` are Kafka's own.
pub(crate) fn directory(name: &str) -> DirectoryId {
    match name {
        "lost" => DirectoryId::LOST,
        "unassigned" => DirectoryId::UNASSIGNED,
        name => DirectoryId(Uuid::from_u128(1_000 + u128::from(name.as_bytes()[0]))),
    }
}

fn creatable(text: &str) -> m::create_topics_request::CreatableTopic {
    let words = Words::new(text.trim());
    let assignment =
        |(index, list): (&str, &str)| m::create_topics_request::CreatableReplicaAssignment {
            partition_index: PartitionIndex(index.parse().unwrap()),
            broker_ids: brokers(list),
            ..Default::default()
        };
    let assignments: Vec<_> =
        words.plain.iter().filter_map(|word| word.split_once(':')).map(assignment).collect();
    let config = |(name, value): &(&str, &str)| m::create_topics_request::CreatableTopicConfig {
        name: StrBytes::copied(name),
        value: (*value != "null").then(|| StrBytes::copied(value)),
        ..Default::default()
    };
    let default = if assignments.is_empty() { 1 } else { -1 };
    let configs = words.pairs.iter().filter(|(key, _)| key.len() > 1);
    m::create_topics_request::CreatableTopic {
        name: StrBytes::copied(words.first),
        num_partitions: i32::try_from(words.number("p", default)).unwrap(),
        replication_factor: i16::try_from(words.number("r", default)).unwrap(),
        configs: configs.map(config).collect(),
        assignments,
        ..Default::default()
    }
}

/// A command in words: `first plain.. key=value..`.
struct Words<'a> {
    first: &'a str,
    plain: Vec<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn new(line: &'a str) -> Self {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let (pairs, plain): (Vec<&str>, Vec<&str>) = words.partition(|word| word.contains('='));
        Words {
            first,
            plain,
            pairs: pairs.iter().filter_map(|word| word.split_once('=')).collect(),
        }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn number(&self, key: &str, default: i64) -> i64 {
        self.get(key).map_or(default, |text| text.parse().unwrap())
    }

    fn list(&self, key: &str) -> Vec<&'a str> {
        self.get(key).map_or(Vec::new(), |text| text.split(',').filter(|s| !s.is_empty()).collect())
    }

    fn broker(&self) -> BrokerId {
        BrokerId(self.plain[0].parse().unwrap())
    }
}

/// Tells records as text, with names instead of ids.
#[derive(Default)]
pub(crate) struct Names {
    topics: BTreeMap<String, String>,
    epochs: Vec<i64>,
    directories: Vec<String>,
}

impl Names {
    pub(crate) fn told(&mut self, records: &[MetadataRecord]) -> Vec<String> {
        records.iter().filter_map(|record| self.one(record)).collect()
    }

    /// Directories are numbered as they are met first, `*` for those with a meaning of their own.
    fn directory(&mut self, id: DirectoryId) -> String {
        match id {
            DirectoryId::LOST => "lost".to_owned(),
            DirectoryId::UNASSIGNED => "unassigned".to_owned(),
            id => {
                let text = id.to_string();
                let known = self.directories.iter().position(|known| *known == text);
                let at = known.unwrap_or_else(|| {
                    self.directories.push(text);
                    self.directories.len() - 1
                });
                format!("d{}", at + 1)
            }
        }
    }

    fn directories(&mut self, ids: &[DirectoryId]) -> String {
        ids.iter().map(|id| self.directory(*id)).collect::<Vec<_>>().join(",")
    }

    fn epoch(&mut self, epoch: BrokerEpoch) -> String {
        let known = self.epochs.iter().position(|known| *known == epoch.0);
        let at = known.unwrap_or_else(|| {
            self.epochs.push(epoch.0);
            self.epochs.len() - 1
        });
        format!("e{}", at + 1)
    }

    fn topic(&self, id: TopicId) -> &str {
        self.topics.get(&id.to_string()).map_or("?", |name| name)
    }

    fn one(&mut self, record: &MetadataRecord) -> Option<String> {
        use MetadataRecord as R;
        let list =
            |list: &[BrokerId]| list.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        Some(match record {
            R::Topic(r) => {
                self.topics.insert(r.topic_id.to_string(), r.name.to_string());
                format!("topic {}", r.name)
            }
            R::RemoveTopic(r) => format!("remove {}", self.topic(r.topic_id)),
            R::Partition(r) => format!(
                "partition {}-{} replicas={} isr={} leader={} dirs={}",
                self.topic(r.topic_id).to_owned(),
                r.partition_id,
                list(&r.replicas),
                list(&r.isr),
                r.leader,
                self.directories(&r.directories)
            ),
            R::PartitionChange(r) => {
                let mut told = format!("change {}-{}", self.topic(r.topic_id), r.partition_id);
                if r.leader.0 != -2 {
                    write!(told, " leader={}", r.leader).unwrap();
                }
                let lists = [
                    ("isr", &r.isr),
                    ("replicas", &r.replicas),
                    ("removing", &r.removing_replicas),
                    ("adding", &r.adding_replicas),
                    ("elr", &r.eligible_leader_replicas),
                    ("last", &r.last_known_elr),
                ];
                for (name, ids) in lists {
                    if let Some(ids) = ids {
                        write!(told, " {name}={}", list(ids)).unwrap();
                    }
                }
                if r.leader_recovery_state >= 0 {
                    write!(told, " recovery={}", r.leader_recovery_state).unwrap();
                }
                if let Some(ids) = &r.directories {
                    write!(told, " dirs={}", self.directories(ids)).unwrap();
                }
                told
            }
            R::RegisterBroker(r) => format!(
                "broker {} {} dirs={}{}{}",
                r.broker_id,
                self.epoch(r.broker_epoch),
                self.directories(&r.log_dirs),
                r.rack.as_ref().map_or(String::new(), |rack| format!(" rack={rack}")),
                if r.fenced { " fenced" } else { "" }
            ),
            R::BrokerRegistrationChange(r) => {
                let mut told = format!("broker {} {}", r.broker_id, self.epoch(r.broker_epoch));
                let state = match (r.fenced, r.in_controlled_shutdown) {
                    (1, _) => " fenced",
                    (-1, _) => " unfenced",
                    (_, 1) => " stopping",
                    _ => "",
                };
                told.push_str(state);
                if !r.log_dirs.is_empty() {
                    write!(told, " dirs={}", self.directories(&r.log_dirs)).unwrap();
                }
                if let Some(ids) = &r.cordoned_log_dirs {
                    write!(told, " cordoned={}", self.directories(ids)).unwrap();
                }
                told
            }
            R::UnregisterBroker(r) => {
                format!("no broker {} {}", r.broker_id, self.epoch(r.broker_epoch))
            }
            R::Config(r) => {
                let kind = match r.resource_type {
                    2 => "topic",
                    4 => "broker",
                    16 => "metrics",
                    _ => "group",
                };
                let value = r.value.as_ref().map_or("null", |value| value.as_str());
                format!("config {kind}/{} {}={value}", r.resource_name, r.name)
            }
            R::ClearElr(r) => format!("clear-elr {}", r.topic_name),
            R::ProducerIds(r) => {
                let epoch = self.epoch(r.broker_epoch);
                format!("producer-ids {} {epoch} next={}", r.broker_id, r.next_producer_id)
            }
            R::ClientQuota(r) => {
                let part = |part: &m::client_quota_record::EntityData| {
                    let name = part.entity_name.as_ref().map_or("-", |name| name.as_str());
                    format!(" {}:{name}", part.entity_type)
                };
                let entity: String = r.entity.iter().map(part).collect();
                let limit = if r.remove { "none".to_owned() } else { r.value.to_string() };
                format!("quota{entity} {}={limit}", r.key)
            }
            R::UserScramCredential(r) => {
                let keys = (r.stored_key.len(), r.server_key.len());
                format!("scram {} {}={} keys={keys:?}", r.name, r.mechanism, r.iterations)
            }
            R::RemoveUserScramCredential(r) => format!("no scram {} {}", r.name, r.mechanism),
            R::FeatureLevel(r) => format!("feature {}={}", r.name, r.feature_level),
            R::BeginTransaction(r) => format!("begin {}", r.name.as_deref().unwrap_or_default()),
            R::EndTransaction(_) => "end".to_owned(),
            R::AbortTransaction(r) => format!("abort {}", r.reason.as_deref().unwrap_or_default()),
            R::RegisterController(r) => format!("controller {}", r.controller_id),
            R::UnregisterController(r) => format!("no controller {}", r.controller_id),
            R::NoOp(_) => return None,
            other => other.name().to_owned(),
        })
    }
}
