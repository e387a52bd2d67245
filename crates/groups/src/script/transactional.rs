//! Words for offsets in transactions: `transact a t:0@5 by=7` commits within the transaction of
//! producer 7, `end 7` and `end 7 aborted` end it.
//!
//! Not here: printing.

use ottla_wire::messages::TxnOffsetCommitRequest;
use ottla_wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_wire::{ErrorCode, Offset, ProducerId, StrBytes};

use super::words::Words;
use super::{World, place_of};
use crate::{Decided, GroupRecord};

impl World {
    pub(super) fn transact(&mut self, words: &Words<'_>) {
        let version = words.version(5);
        let name = words.client();
        let client = self.clients.get(&name).cloned().unwrap_or_default();
        let generation = if client.member_id.is_empty() { -1 } else { client.generation.into() };
        let topics = words.plain[2..].iter().map(|place| {
            let (place, offset) = place.split_once('@').expect("topic:partition@offset");
            let (topic, partition_index) = place_of(place);
            let partition = TxnOffsetCommitRequestPartition {
                partition_index,
                committed_offset: Offset(offset.parse().expect("an offset")),
                committed_metadata: words.optional("meta"),
                ..TxnOffsetCommitRequestPartition::default()
            };
            TxnOffsetCommitRequestTopic {
                topic_id: crate::Topics::id(&self.topics, topic).unwrap_or_default(),
                name: if version < 6 { StrBytes::copied(topic) } else { StrBytes::default() },
                partitions: vec![partition],
                ..TxnOffsetCommitRequestTopic::default()
            }
        });
        let generation = words.number("gen", generation);
        let request = TxnOffsetCommitRequest {
            group_id: words.group(),
            producer_id: ProducerId(words.number("by", 7)),
            generation_id_or_member_epoch: generation.try_into().expect("fits"),
            member_id: words.text("member", &client.member_id),
            group_instance_id: words.optional("static"),
            topics: topics.collect(),
            ..TxnOffsetCommitRequest::default()
        };
        let open = match words.keys.contains_key("closed") {
            true => Err(ErrorCode::INVALID_TXN_STATE),
            false => Ok(()),
        };
        let ask = self.ask(&name, version);
        let asked = ask.of(&self.settings);
        let live = self.kit.live();
        let decided = live.txn_offset_commit(&self.soft, &asked, &self.topics, &request, open);
        self.obey(decided);
    }

    pub(super) fn end(&mut self, words: &Words<'_>) {
        let producer = ProducerId(words.plain[1].parse().expect("a producer id"));
        let committed = words.plain.get(2) != Some(&"aborted");
        let records = vec![GroupRecord::EndTransaction { producer, committed }];
        self.obey(Decided { records, wake: self.soft.wake(), ..Decided::default() });
    }
}
