//! One member of a classic group.
//!
//! Must hold: at most one request of a member waits, and it is answered when something else takes
//! its place.

use bytes::Bytes;
use ottla_machine::Ticket;
use ottla_wire::messages::group_metadata_value::MemberMetadata;
use ottla_wire::messages::{
    ConsumerGroupMemberMetadataValue, JoinGroupRequest, JoinGroupResponse, SyncGroupResponse,
};
use ottla_wire::{ErrorCode, StrBytes, Timestamp};

use crate::{Ask, GroupReply, Now};

/// What a member waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Its last request is answered.
    Nothing,
    /// For the others to join.
    Join(Ticket),
    /// For the leader's assignment.
    Sync(Ticket),
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: StrBytes,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// The protocols it speaks, the preferred one first, each with the member's metadata.
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(crate) waits: Waits,
    /// It has not yet been in a generation.
    pub(crate) is_new: bool,
    /// It has asked for its assignment in this generation.
    pub(crate) synced: bool,
    /// When its session ends.
    pub(crate) deadline: Option<Timestamp>,
    /// Its place in the order of joining.
    pub(crate) order: u64,
}

impl Member {
    pub(crate) fn joining(id: StrBytes, ask: &Ask<'_>, request: &JoinGroupRequest) -> Self {
        Member {
            id,
            instance: request.group_instance_id.as_deref().map(StrBytes::copied),
            client_id: StrBytes::copied(ask.client_id),
            client_host: StrBytes::copied(ask.client_host),
            rebalance_timeout_ms: rebalance_timeout_ms(request),
            session_timeout_ms: request.session_timeout_ms,
            protocols: protocols(request),
            assignment: Bytes::new(),
            waits: Waits::Join(ask.ticket),
            is_new: true,
            synced: true,
            deadline: None,
            order: 0,
        }
    }

    pub(crate) fn restored(metadata: &MemberMetadata, protocol: StrBytes) -> Self {
        let rebalance_timeout_ms = match metadata.rebalance_timeout {
            -1 => metadata.session_timeout,
            timeout => timeout,
        };
        Member {
            id: metadata.member_id.clone(),
            instance: metadata.group_instance_id.clone(),
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            rebalance_timeout_ms,
            session_timeout_ms: metadata.session_timeout,
            protocols: vec![(protocol, metadata.subscription.clone())],
            assignment: metadata.assignment.clone(),
            waits: Waits::Nothing,
            is_new: false,
            synced: true,
            deadline: None,
            order: 0,
        }
    }

    /// A member of a KIP-848 group that speaks the classic protocol; none for one that does not.
    pub(crate) fn converted(
        id: &StrBytes,
        value: &ConsumerGroupMemberMetadataValue,
    ) -> Option<Self> {
        let classic = value.classic_member_metadata.as_ref()?;
        let protocols = classic.supported_protocols.iter();
        Some(Member {
            id: id.clone(),
            instance: value.instance_id.clone(),
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            session_timeout_ms: classic.session_timeout_ms,
            protocols: protocols.map(|it| (it.name.clone(), it.metadata.clone())).collect(),
            assignment: Bytes::new(),
            waits: Waits::Nothing,
            is_new: false,
            synced: true,
            deadline: None,
            order: 0,
        })
    }

    /// Takes over what a member says of itself when it joins again.
    pub(crate) fn update(&mut self, request: &JoinGroupRequest) {
        self.protocols = protocols(request);
        self.rebalance_timeout_ms = rebalance_timeout_ms(request);
        self.session_timeout_ms = request.session_timeout_ms;
    }

    /// Starts its session anew.
    pub(crate) fn extend(&mut self, now: Now) {
        self.deadline = Some(now.steady + i64::from(self.session_timeout_ms.max(1)));
    }

    pub(crate) fn awaits_join(&self) -> bool {
        matches!(self.waits, Waits::Join(_))
    }

    /// Whether its silence proves nothing: it waits for us.
    pub(crate) fn is_excused(&self) -> bool {
        match self.waits {
            Waits::Nothing => false,
            Waits::Join(_) => !self.is_new,
            Waits::Sync(_) => true,
        }
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        let found = self.protocols.iter().find(|(name, _)| name.as_bytes() == protocol.as_bytes());
        found.map(|(_, metadata)| metadata)
    }

    /// Whether the request offers the same protocols with the same metadata in the same order.
    pub(crate) fn matches(&self, request: &JoinGroupRequest) -> bool {
        self.protocols.len() == request.protocols.len()
            && self.protocols.iter().zip(&request.protocols).all(|((name, metadata), offered)| {
                *name == offered.name && *metadata == offered.metadata
            })
    }

    /// Answers what the member waits for with an error, if it waits.
    pub(crate) fn answer(&mut self, error: ErrorCode) -> Option<(Ticket, GroupReply)> {
        match std::mem::replace(&mut self.waits, Waits::Nothing) {
            Waits::Nothing => None,
            Waits::Join(ticket) => {
                let response = JoinGroupResponse {
                    error_code: error,
                    member_id: self.id.clone(),
                    protocol_name: None,
                    ..JoinGroupResponse::default()
                };
                Some((ticket, GroupReply::Join(Box::new(response))))
            }
            Waits::Sync(ticket) => {
                let response =
                    SyncGroupResponse { error_code: error, ..SyncGroupResponse::default() };
                Some((ticket, GroupReply::Sync(response)))
            }
        }
    }

    pub(crate) fn recorded(&self, protocol: Option<&StrBytes>) -> MemberMetadata {
        let subscription = protocol.and_then(|protocol| self.metadata(protocol));
        MemberMetadata {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: subscription.cloned().unwrap_or_default(),
            assignment: self.assignment.clone(),
            ..MemberMetadata::default()
        }
    }
}

fn protocols(request: &JoinGroupRequest) -> Vec<(StrBytes, Bytes)> {
    let protocols = request.protocols.iter();
    protocols
        .map(|offered| (StrBytes::copied(&offered.name), Bytes::copy_from_slice(&offered.metadata)))
        .collect()
}

/// JoinGroup v0 knows no rebalance timeout.
fn rebalance_timeout_ms(request: &JoinGroupRequest) -> i32 {
    match request.rebalance_timeout_ms {
        -1 => request.session_timeout_ms,
        timeout => timeout,
    }
}
