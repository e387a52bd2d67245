//! Commands of scripts for classic groups, one request each: `join`, `sync`, `beat`, `leave`.
//!
//! A client remembers the id and the generation that it was told, and a leader who is in the group.

use bytes::Bytes;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::{
    ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    SyncGroupRequest,
};
use ottla_wire::{Generation, Message, StrBytes, Writer};

use super::words::Words;
use super::{Client, World};

impl World {
    pub(super) fn join(&mut self, words: &Words<'_>) {
        let name = words.client();
        let known = self.clients.entry(name.clone()).or_default().member_id.clone();
        let offered = words.text("protocols", "range").to_string();
        let metadata = match words.keys.get("topics") {
            Some(topics) => subscription(topics),
            None => Bytes::copy_from_slice(words.text("meta", "m").as_bytes()),
        };
        let protocols = offered.split(',').filter(|name| !name.is_empty());
        let request = JoinGroupRequest {
            group_id: words.group(),
            session_timeout_ms: words.millis("session", "10s").try_into().expect("fits"),
            rebalance_timeout_ms: words.millis("rebalance", "60s").try_into().expect("fits"),
            member_id: match words.keys.get("id") {
                Some(&"none") => StrBytes::default(),
                Some(id) => StrBytes::copied(id),
                None => StrBytes::copied(&known),
            },
            group_instance_id: words.optional("static"),
            protocol_type: words.text("type", "consumer"),
            protocols: protocols
                .map(|name| JoinGroupRequestProtocol {
                    name: StrBytes::copied(name),
                    metadata: metadata.clone(),
                    ..JoinGroupRequestProtocol::default()
                })
                .collect(),
            ..JoinGroupRequest::default()
        };
        let ask = self.ask(&name, words.version(3));
        let decided = {
            let (live, asked) = (self.kit.live(), ask.of(&self.settings));
            live.join(&mut self.soft, &asked, &self.topics, &request)
        };
        self.obey(decided);
    }

    pub(super) fn sync(&mut self, words: &Words<'_>) {
        let name = words.client();
        let client = self.clients.entry(name.clone()).or_default().clone();
        let given = client.roster.iter().filter(|member| {
            words.keys.get("omit").is_none_or(|omitted| self.label(member) != *omitted)
        });
        let assignments: Vec<SyncGroupRequestAssignment> = given
            .map(|member| SyncGroupRequestAssignment {
                member_id: StrBytes::copied(member),
                assignment: Bytes::from(format!("{}@{}", self.label(member), client.generation)),
                ..SyncGroupRequestAssignment::default()
            })
            .collect();
        let request = SyncGroupRequest {
            group_id: words.group(),
            generation_id: generation(words, &client),
            member_id: StrBytes::copied(&client.member_id),
            group_instance_id: words.optional("static"),
            protocol_type: words.optional("type"),
            protocol_name: words.optional("protocol"),
            assignments,
            ..SyncGroupRequest::default()
        };
        let ask = self.ask(&name, words.version(4));
        let decided = {
            let (live, asked) = (self.kit.live(), ask.of(&self.settings));
            live.sync(&mut self.soft, &asked, &self.topics, &request)
        };
        self.obey(decided);
    }

    pub(super) fn beat(&mut self, words: &Words<'_>) {
        let name = words.client();
        let client = self.clients.entry(name.clone()).or_default().clone();
        let request = HeartbeatRequest {
            group_id: words.group(),
            generation_id: generation(words, &client),
            member_id: StrBytes::copied(&client.member_id),
            group_instance_id: words.optional("static"),
            ..HeartbeatRequest::default()
        };
        let ask = self.ask(&name, words.version(4));
        let decided = self.kit.live().heartbeat(&mut self.soft, &ask.of(&self.settings), &request);
        self.obey(decided);
    }

    pub(super) fn leave(&mut self, words: &Words<'_>) {
        let version = words.version(5);
        let name = words.plain.get(1).map_or("admin", |name| name).to_owned();
        let member_id = match words.plain.get(1) {
            Some(name) => self.clients.entry((*name).to_owned()).or_default().member_id.clone(),
            None => String::new(),
        };
        let member_id = StrBytes::from(member_id);
        let mut request =
            LeaveGroupRequest { group_id: words.group(), ..LeaveGroupRequest::default() };
        if version < 3 {
            request.member_id = member_id;
        } else {
            let group_instance_id = words.optional("static");
            let identity =
                MemberIdentity { member_id, group_instance_id, ..MemberIdentity::default() };
            request.members.push(identity);
        }
        let ask = self.ask(&name, version);
        let decided = {
            let (live, asked) = (self.kit.live(), ask.of(&self.settings));
            live.leave(&mut self.soft, &asked, &self.topics, &request)
        };
        self.obey(decided);
    }
}

fn generation(words: &Words<'_>, client: &Client) -> Generation {
    let number = words.number("gen", client.generation.into());
    Generation(number.try_into().expect("fits"))
}

fn subscription(topics: &str) -> Bytes {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.split('+').map(StrBytes::copied).collect(),
        ..ConsumerProtocolSubscription::default()
    };
    let mut writer = Writer::new();
    writer.raw(&3_i16.to_be_bytes());
    subscription.encode(&mut writer, 3).expect("every field is in version 3");
    writer.into_bytes().expect("nothing is in a file")
}
