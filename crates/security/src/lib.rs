//! Who may do what: principals, resources, operations, and the question that every handler asks.
//!
//! [`scram`] makes of a password what a server keeps. Not here: how a connection proves who it is,
//! and stored ACLs; the node has none yet and allows everything. [`Authorizer::Nobody`] exists so
//! that one test finds a handler that forgot to ask.
//!
//! ```
//! use ottla_security::{Authorizer, Operation, Principal, Resource};
//!
//! let alice = Principal::anonymous();
//! assert!(Authorizer::Everybody.allows(&alice, Operation::Read, Resource::Topic("payments")));
//! assert!(!Authorizer::Nobody.allows(&alice, Operation::Read, Resource::Topic("payments")));
//! ```

pub mod scram;

/// An authenticated party, as Kafka writes it: `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// The kind of principal; Kafka knows `User` only.
    pub kind: String,
    /// The name within the kind.
    pub name: String,
}

impl Principal {
    /// Whoever comes over a listener without authentication.
    pub fn anonymous() -> Self {
        Principal { kind: "User".to_owned(), name: "ANONYMOUS".to_owned() }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// What somebody wants to do; the numbers are those of Kafka's `AclOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum Operation {
    /// Read records, or take part in a group.
    Read = 3,
    /// Write records.
    Write = 4,
    /// Create topics.
    Create = 5,
    /// Delete topics, records, groups.
    Delete = 6,
    /// Alter partitions, ACLs, users.
    Alter = 7,
    /// See that something exists and what it is.
    Describe = 8,
    /// What only the cluster's own nodes may do.
    ClusterAction = 9,
    /// See configs.
    DescribeConfigs = 10,
    /// Alter configs.
    AlterConfigs = 11,
    /// Write with an idempotent producer.
    IdempotentWrite = 12,
    /// Have transactions that something else decides (KIP-939).
    TwoPhaseCommit = 15,
}

/// What it is to be done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource<'a> {
    /// A topic by name.
    Topic(&'a str),
    /// A group of any kind by its id.
    Group(&'a str),
    /// The cluster as a whole.
    Cluster,
    /// A transactional id.
    TransactionalId(&'a str),
}

impl Resource<'_> {
    /// The operations that make sense for this kind, as Kafka's `AclEntry` lists them.
    pub fn operations(&self) -> &'static [Operation] {
        use Operation::*;
        match self {
            Resource::Topic(_) => {
                &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs]
            }
            Resource::Group(_) => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Resource::Cluster => &[
                Create,
                Alter,
                Describe,
                ClusterAction,
                DescribeConfigs,
                AlterConfigs,
                IdempotentWrite,
            ],
            Resource::TransactionalId(_) => &[Write, Describe, TwoPhaseCommit],
        }
    }
}

/// Decides whether a principal may do something.
#[derive(Clone, Debug, Default)]
pub enum Authorizer {
    /// Everything is allowed, as in a Kafka without `authorizer.class.name`.
    #[default]
    Everybody,
    /// Nothing is allowed: finds the handler that does not ask.
    Nobody,
}

impl Authorizer {
    /// Whether `principal` may do `operation` to `resource`.
    pub fn allows(&self, _by: &Principal, _operation: Operation, _on: Resource<'_>) -> bool {
        match self {
            Authorizer::Everybody => true,
            Authorizer::Nobody => false,
        }
    }

    /// The allowed operations as the bit field that Metadata and DescribeCluster answer with:
    /// bit n stands for the operation with number n.
    pub fn allowed_operations(&self, by: &Principal, on: Resource<'_>) -> i32 {
        on.operations()
            .iter()
            .filter(|operation| self.allows(by, **operation, on))
            .fold(0, |bits, operation| bits | 1 << (*operation as i8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_operations_are_the_bits_that_kafka_answers() {
        let bits = |on| Authorizer::Everybody.allowed_operations(&Principal::anonymous(), on);
        assert_eq!(bits(Resource::Topic("t")), 3576);
        assert_eq!(bits(Resource::Group("g")), 3400);
        assert_eq!(bits(Resource::Cluster), 8096);
    }
}
