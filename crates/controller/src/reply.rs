//! What a decision gives: records, and the response that waits for their commit.
//!
//! One row per API that the controller answers.

use ottla_machine::{Decided, Ticket};
use ottla_metadata::MetadataRecord;
use ottla_wire::Timestamp;
use ottla_wire::messages::{
    AllocateProducerIdsResponse, AlterClientQuotasResponse, AlterConfigsResponse,
    AlterPartitionReassignmentsResponse, AlterPartitionResponse, AlterUserScramCredentialsResponse,
    AssignReplicasToDirsResponse, BrokerHeartbeatResponse, BrokerRegistrationResponse,
    ControllerRegistrationResponse, CreatePartitionsResponse, CreateTopicsResponse,
    DeleteTopicsResponse, ElectLeadersResponse, IncrementalAlterConfigsResponse,
    UnregisterBrokerResponse, UnregisterControllerResponse, UpdateFeaturesResponse,
};

/// Records and a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<Response> {
    /// To be appended as one batch.
    pub records: Vec<MetadataRecord>,
    /// To be sent once the records are committed.
    pub response: Response,
    /// When [`crate::Controller::tick`] is due, if earlier than was said before.
    pub wake: Option<Timestamp>,
}

impl<Response> Decision<Response> {
    pub(crate) fn new(records: Vec<MetadataRecord>, response: Response) -> Self {
        Decision { records, response, wake: None }
    }

    pub(crate) fn reply(response: Response) -> Self {
        Decision::new(Vec::new(), response)
    }
}

impl<Response: Into<ControllerReply>> Decision<Response> {
    /// The decision as its host takes it.
    pub fn decided(self, ticket: Ticket) -> Decided<MetadataRecord, ControllerReply> {
        let replies = vec![(ticket, self.response.into())];
        Decided { records: self.records, replies, wake: self.wake }
    }
}

macro_rules! replies {
    ($($api:ident $response:ident;)*) => {
        /// A response of the controller.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "the variants are Kafka's APIs")]
        pub enum ControllerReply {
            $($api($response),)*
        }

        $(
            impl From<$response> for ControllerReply {
                fn from(response: $response) -> Self {
                    Self::$api(response)
                }
            }

            impl TryFrom<ControllerReply> for $response {
                type Error = ControllerReply;

                fn try_from(reply: ControllerReply) -> Result<Self, ControllerReply> {
                    match reply {
                        ControllerReply::$api(response) => Ok(response),
                        other => Err(other),
                    }
                }
            }
        )*
    };
}

replies! {
    AllocateProducerIds AllocateProducerIdsResponse;
    AlterClientQuotas AlterClientQuotasResponse;
    AlterConfigs AlterConfigsResponse;
    AlterPartition AlterPartitionResponse;
    AlterPartitionReassignments AlterPartitionReassignmentsResponse;
    AlterUserScramCredentials AlterUserScramCredentialsResponse;
    AssignReplicasToDirs AssignReplicasToDirsResponse;
    BrokerHeartbeat BrokerHeartbeatResponse;
    BrokerRegistration BrokerRegistrationResponse;
    ControllerRegistration ControllerRegistrationResponse;
    CreatePartitions CreatePartitionsResponse;
    CreateTopics CreateTopicsResponse;
    DeleteTopics DeleteTopicsResponse;
    ElectLeaders ElectLeadersResponse;
    IncrementalAlterConfigs IncrementalAlterConfigsResponse;
    UnregisterBroker UnregisterBrokerResponse;
    UnregisterController UnregisterControllerResponse;
    UpdateFeatures UpdateFeaturesResponse;
}
