//! Table: error codes, one row each: number, name, whether trying again can help, a sentence.
//!
//! Names and numbers are Kafka's, the sentences are for people. A code that is not listed is kept
//! as it came and has the name `UNKNOWN_SERVER_ERROR`.

use std::fmt;

/// An error code as it stands in a response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

/// One code.
#[derive(Debug)]
struct Row {
    code: ErrorCode,
    name: &'static str,
    retriable: bool,
    message: &'static str,
}

impl ErrorCode {
    /// Whether this is no error.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Whether it is an error.
    pub fn is_error(self) -> bool {
        !self.is_none()
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether the same request can succeed later.
    pub fn is_retriable(self) -> bool {
        self.row().retriable
    }

    /// What it means, as a sentence.
    pub fn message(self) -> &'static str {
        self.row().message
    }

    /// `Ok` where there is no error.
    pub fn ok(self) -> Result<(), Self> {
        if self.is_none() { Ok(()) } else { Err(self) }
    }

    /// Every code that has a name, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.code)
    }

    fn row(self) -> &'static Row {
        // Rows are dense from -1, so that the code is the place.
        let place = usize::try_from(i32::from(self.0) + 1).unwrap_or_default();
        ROWS.get(place).unwrap_or(&ROWS[0])
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row().code == *self {
            true => f.write_str(self.name()),
            false => write!(f, "ErrorCode({})", self.0),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.message())
    }
}

impl std::error::Error for ErrorCode {}

macro_rules! errors {
    (@retriable retriable) => { true };
    (@retriable final) => { false };
    ($($code:literal $name:ident $kind:tt $message:literal;)*) => {
        impl ErrorCode {$(
            #[doc = $message]
            ///
            pub const $name: Self = Self($code);
        )*}

        /// All rows, by code.
        static ROWS: &[Row] = &[$(Row {
            code: ErrorCode::$name,
            name: stringify!($name),
            retriable: errors!(@retriable $kind),
            message: $message,
        },)*];
    };
}

errors! {
    -1 UNKNOWN_SERVER_ERROR final "the server met a problem that it has no code for";
    0 NONE final "no error";
    1 OFFSET_OUT_OF_RANGE final "the offset lies outside of the partition's log";
    2 CORRUPT_MESSAGE retriable "the batch's checksum, size or form is wrong";
    3 UNKNOWN_TOPIC_OR_PARTITION retriable "this node knows no such topic or partition";
    4 INVALID_FETCH_SIZE final "the fetch size is not possible";
    5 LEADER_NOT_AVAILABLE retriable "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER retriable "this node does not lead the partition";
    7 REQUEST_TIMED_OUT retriable "the request did not finish in its time";
    8 BROKER_NOT_AVAILABLE final "the broker is not there";
    9 REPLICA_NOT_AVAILABLE retriable "the replica is not there";
    10 MESSAGE_TOO_LARGE final "the batch is larger than the topic allows";
    11 STALE_CONTROLLER_EPOCH final "the request comes from a controller that has been replaced";
    12 OFFSET_METADATA_TOO_LARGE final "the metadata of the offset is too long";
    13 NETWORK_EXCEPTION retriable "the connection broke before the answer came";
    14 COORDINATOR_LOAD_IN_PROGRESS retriable "the coordinator is still reading its partition";
    15 COORDINATOR_NOT_AVAILABLE retriable "no coordinator is ready for it";
    16 NOT_COORDINATOR retriable "this node is not the coordinator for it";
    17 INVALID_TOPIC_EXCEPTION final "the topic's name or its use is not allowed";
    18 RECORD_LIST_TOO_LARGE final "the batches are larger than a segment of the log";
    19 NOT_ENOUGH_REPLICAS retriable "fewer replicas are in sync than min.insync.replicas asks for";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND retriable "written, but to too few replicas";
    21 INVALID_REQUIRED_ACKS final "acks must be -1, 0 or 1";
    22 ILLEGAL_GENERATION final "the generation is not the group's";
    23 INCONSISTENT_GROUP_PROTOCOL final "the member shares no protocol with the group";
    24 INVALID_GROUP_ID final "the group id is not allowed";
    25 UNKNOWN_MEMBER_ID final "the group has no such member";
    26 INVALID_SESSION_TIMEOUT final "the session timeout lies outside of what the broker allows";
    27 REBALANCE_IN_PROGRESS final "the group is rebalancing, the member should join again";
    28 INVALID_COMMIT_OFFSET_SIZE final "the offsets do not fit into one batch";
    29 TOPIC_AUTHORIZATION_FAILED final "not allowed for this topic";
    30 GROUP_AUTHORIZATION_FAILED final "not allowed for this group";
    31 CLUSTER_AUTHORIZATION_FAILED final "not allowed for this cluster";
    32 INVALID_TIMESTAMP final "a record's timestamp lies outside of what the topic allows";
    33 UNSUPPORTED_SASL_MECHANISM final "the SASL mechanism is not enabled here";
    34 ILLEGAL_SASL_STATE final "the request does not fit the state of authentication";
    35 UNSUPPORTED_VERSION final "this node does not serve that version";
    36 TOPIC_ALREADY_EXISTS final "a topic of this name exists";
    37 INVALID_PARTITIONS final "the number of partitions is not possible";
    38 INVALID_REPLICATION_FACTOR final "there are not as many brokers";
    39 INVALID_REPLICA_ASSIGNMENT final "the assignment of replicas is not possible";
    40 INVALID_CONFIG final "the configuration is not valid";
    41 NOT_CONTROLLER retriable "this node is not the active controller";
    42 INVALID_REQUEST final "the request contradicts itself or the protocol";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT final "the message format is too old for this request";
    44 POLICY_VIOLATION final "a policy of the cluster forbids it";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER final "the producer's sequence has a gap or a step back";
    46 DUPLICATE_SEQUENCE_NUMBER final "the producer's sequence has been written before";
    47 INVALID_PRODUCER_EPOCH final "the producer's epoch is older than the newest one";
    48 INVALID_TXN_STATE final "the transaction's state does not allow this";
    49 INVALID_PRODUCER_ID_MAPPING final "the producer id is not the one of the transactional id";
    50 INVALID_TRANSACTION_TIMEOUT final "the transaction timeout is too long";
    51 CONCURRENT_TRANSACTIONS retriable "another step is still in progress";
    52 TRANSACTION_COORDINATOR_FENCED final "the transaction coordinator has been replaced";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED final "not allowed for this transactional id";
    54 SECURITY_DISABLED final "the cluster has security switched off";
    55 OPERATION_NOT_ATTEMPTED final "not attempted, since a part before it failed";
    56 KAFKA_STORAGE_ERROR retriable "the log directory cannot be read or written";
    57 LOG_DIR_NOT_FOUND final "this node has no such log directory";
    58 SASL_AUTHENTICATION_FAILED final "authentication failed";
    59 UNKNOWN_PRODUCER_ID final "the partition knows nothing of the producer id";
    60 REASSIGNMENT_IN_PROGRESS final "the partition is being moved already";
    61 DELEGATION_TOKEN_AUTH_DISABLED final "delegation tokens are switched off";
    62 DELEGATION_TOKEN_NOT_FOUND final "there is no such delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH final "the delegation token belongs to someone else";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED final "not over this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED final "not allowed for this delegation token";
    66 DELEGATION_TOKEN_EXPIRED final "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE final "the principal's type cannot be used here";
    68 NON_EMPTY_GROUP final "the group still has members";
    69 GROUP_ID_NOT_FOUND final "there is no such group";
    70 FETCH_SESSION_ID_NOT_FOUND retriable "there is no such fetch session";
    71 INVALID_FETCH_SESSION_EPOCH retriable "the fetch session expects another epoch";
    72 LISTENER_NOT_FOUND retriable "the leader has no listener of this name";
    73 TOPIC_DELETION_DISABLED final "topics may not be deleted here";
    74 FENCED_LEADER_EPOCH retriable "the leader epoch is older than the partition's";
    75 UNKNOWN_LEADER_EPOCH retriable "the leader epoch is newer than this node knows of";
    76 UNSUPPORTED_COMPRESSION_TYPE final "the version does not carry this compression type";
    77 STALE_BROKER_EPOCH final "the broker has registered again since";
    78 OFFSET_NOT_AVAILABLE retriable "the offset is not known to be committed yet";
    79 MEMBER_ID_REQUIRED final "join again with the member id that came with this error";
    80 PREFERRED_LEADER_NOT_AVAILABLE retriable "the preferred replica cannot lead now";
    81 GROUP_MAX_SIZE_REACHED final "the group is full";
    82 FENCED_INSTANCE_ID final "another member has taken over this group instance id";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE retriable "no replica that may lead is there";
    84 ELECTION_NOT_NEEDED retriable "the partition has the leader that was asked for";
    85 NO_REASSIGNMENT_IN_PROGRESS final "the partition is not being moved";
    86 GROUP_SUBSCRIBED_TO_TOPIC final "the group is subscribed to the topic";
    87 INVALID_RECORD final "a record does not follow the rules of its topic or batch";
    88 UNSTABLE_OFFSET_COMMIT retriable "the offset belongs to a transaction that is still open";
    89 THROTTLING_QUOTA_EXCEEDED retriable "a quota is used up";
    90 PRODUCER_FENCED final "another producer has taken over this transactional id";
    91 RESOURCE_NOT_FOUND final "there is nothing of this name";
    92 DUPLICATE_RESOURCE final "it is named twice";
    93 UNACCEPTABLE_CREDENTIAL final "the credential cannot be accepted";
    94 INCONSISTENT_VOTER_SET final "sender and receiver know different sets of voters";
    95 INVALID_UPDATE_VERSION final "the feature level cannot be reached from where the cluster is";
    96 FEATURE_UPDATE_FAILED final "the features could not be changed";
    97 PRINCIPAL_DESERIALIZATION_FAILURE final "the forwarded principal could not be read";
    98 SNAPSHOT_NOT_FOUND final "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE final "the position lies outside of the snapshot";
    100 UNKNOWN_TOPIC_ID retriable "this node knows no topic with this id";
    101 DUPLICATE_BROKER_REGISTRATION final "another broker has registered with this id";
    102 BROKER_ID_NOT_REGISTERED final "no broker has registered with this id";
    103 INCONSISTENT_TOPIC_ID retriable "the topic id is not the one of the partition's log";
    104 INCONSISTENT_CLUSTER_ID final "the cluster id is another one's";
    105 TRANSACTIONAL_ID_NOT_FOUND final "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR retriable "the session cannot change its use of ids";
    107 INELIGIBLE_REPLICA final "the replica may not be in sync";
    108 NEW_LEADER_ELECTED final "the partition has a new leader";
    109 OFFSET_MOVED_TO_TIERED_STORAGE final "the offset has been moved to tiered storage";
    110 FENCED_MEMBER_EPOCH final "the member's epoch is older than the group's";
    111 UNRELEASED_INSTANCE_ID final "the group instance id is still in use by another member";
    112 UNSUPPORTED_ASSIGNOR final "the group has no such assignor";
    113 STALE_MEMBER_EPOCH final "the member's epoch is older than the one it was given";
    114 MISMATCHED_ENDPOINT_TYPE final "the request went to the other kind of node";
    115 UNSUPPORTED_ENDPOINT_TYPE final "this node does not serve that kind of endpoint";
    116 UNKNOWN_CONTROLLER_ID final "no controller has this id";
    117 UNKNOWN_SUBSCRIPTION_ID final "the telemetry subscription is no longer this one";
    118 TELEMETRY_TOO_LARGE final "the telemetry is larger than allowed";
    119 INVALID_REGISTRATION final "the controller's registration is not possible";
    120 TRANSACTION_ABORTABLE final "the transaction must be aborted";
    121 INVALID_RECORD_STATE final "the record's delivery state does not allow this";
    122 SHARE_SESSION_NOT_FOUND retriable "there is no such share session";
    123 INVALID_SHARE_SESSION_EPOCH retriable "the share session expects another epoch";
    124 FENCED_STATE_EPOCH final "the share state has a newer epoch";
    125 INVALID_VOTER_KEY final "the voter's id and directory are not the known ones";
    126 DUPLICATE_VOTER final "the voter is in the set already";
    127 VOTER_NOT_FOUND final "there is no such voter in the set";
    128 INVALID_REGULAR_EXPRESSION final "the regular expression cannot be read";
    129 REBOOTSTRAP_REQUIRED final "the client should start again from its bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY final "the topology is not valid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH final "the topology's epoch is not valid";
    132 STREAMS_TOPOLOGY_FENCED final "the topology's epoch is older than the group's";
    133 SHARE_SESSION_LIMIT_REACHED retriable "no further share session fits";
    134 GROUP_DELETION_FAILED final "the group could not be deleted, its own result says why";
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED final "the description was not stored";
    136 CONTROLLER_ID_NOT_REGISTERED final "no controller has registered with this id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_dense_and_speak() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(usize::try_from(row.code.0 + 1), Ok(place), "{}", row.name);
            assert!(row.message.starts_with(char::is_lowercase), "{}", row.name);
            assert!(!row.message.ends_with('.'), "{}", row.name);
        }
        assert_eq!(ErrorCode::all().last(), Some(ErrorCode::CONTROLLER_ID_NOT_REGISTERED));
    }

    #[test]
    fn an_unknown_code_keeps_its_number() {
        assert_eq!(ErrorCode(999).name(), "UNKNOWN_SERVER_ERROR");
        assert_eq!(format!("{:?}", ErrorCode(999)), "ErrorCode(999)");
        assert_eq!(format!("{:?}", ErrorCode(3)), "UNKNOWN_TOPIC_OR_PARTITION");
        assert!(ErrorCode(3).is_retriable() && !ErrorCode(17).is_retriable());
    }
}
