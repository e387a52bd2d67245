//! StreamsGroupHeartbeat (88), v0: a member of a streams group from joining to leaving.
//!
//! Not here: the creation of topics, which is the caller's. Must hold: a refused heartbeat leaves
//! no record.

use ottla_wire::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::{Ask, Decided, GroupReply, Groups, Soft, Topics};

/// The answer to a heartbeat, and what is to be done for the member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamsAnswer {
    /// The answer.
    pub response: StreamsGroupHeartbeatResponse,
    /// The internal topics that are missing: whoever asked is to have them created, by its own
    /// rights.
    pub create: Vec<InternalTopic>,
}

/// A topic between two parts of an application, or behind a store of it.
#[derive(Clone, Debug, PartialEq)]
pub struct InternalTopic {
    /// The topic's name.
    pub name: StrBytes,
    /// How many partitions it shall have.
    pub partitions: i32,
    /// How many replicas; -1 for the broker's default.
    pub replication_factor: i16,
    /// Its configs by name, sorted.
    pub configs: Vec<(StrBytes, StrBytes)>,
}

impl Groups {
    /// StreamsGroupHeartbeat, v0.
    pub fn streams_heartbeat(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        _: &dyn Topics,
        _: &StreamsGroupHeartbeatRequest,
    ) -> Decided {
        let response = StreamsGroupHeartbeatResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..StreamsGroupHeartbeatResponse::default()
        };
        let answer = StreamsAnswer { response, create: Vec::new() };
        let mut decided =
            Decided::reply(ask.ticket, GroupReply::StreamsHeartbeat(Box::new(answer)));
        decided.wake = soft.wake();
        decided
    }
}
