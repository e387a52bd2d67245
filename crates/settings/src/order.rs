//! The order in which DescribeConfigs lists configs: that of Kafka's hash tables.
//!
//! Kafka puts an answer together in a Java `HashMap`, so that names come by their place in it, and
//! names of one place in the order in which Kafka defines them. Not here: which configs there are.
//! Must hold: for what Kafka defines this is the order that was captured from it.

use crate::describe::Entry;

/// Sorts the entries of one hash table.
pub(crate) fn as_kafka_lists(entries: &mut [Entry]) {
    let places = places(entries.len());
    entries.sort_by_cached_key(|entry| {
        let name = entry.name.clone();
        (place(&name, places), rank(&name), name)
    });
}

/// How many places a `HashMap` has that grew to hold so many names.
fn places(names: usize) -> u32 {
    let needed = u32::try_from(names.saturating_mul(4).div_ceil(3)).unwrap_or(u32::MAX >> 1);
    needed.next_power_of_two().max(PLACES_MIN)
}

/// Where a name lies among `places`, which is a power of two.
fn place(name: &str, places: u32) -> u32 {
    let hash = name
        .encode_utf16()
        .fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ hash >> 16) & (places - 1)
}

/// How many names of the same place Kafka defines before this one, at least.
fn rank(name: &str) -> u8 {
    RANKS.binary_search_by_key(&name, |(known, _)| known).map_or(0, |at| RANKS[at].1)
}

/// The places of a `HashMap` that holds little.
const PLACES_MIN: u32 = 16;

/// Names that share their place with others that come first; sorted.
#[rustfmt::skip]
const RANKS: &[(&str, u8)] = &[
    ("alter.log.dirs.replication.quota.window.num", 1),
    ("compression.gzip.level", 2),
    ("compression.zstd.level", 1),
    ("controlled.shutdown.enable", 1),
    ("controller.quorum.auto.join.enable", 1),
    ("controller.quorum.election.backoff.max.ms", 1),
    ("controller.quorum.fetch.max.bytes", 2),
    ("controller.quorum.fetch.timeout.ms", 1),
    ("controller.quorum.voters", 1),
    ("controller.quota.window.num", 1),
    ("controller.quota.window.size.seconds", 1),
    ("create.topic.policy.class.name", 1),
    ("delegation.token.expiry.check.interval.ms", 1),
    ("delegation.token.expiry.time.ms", 1),
    ("delegation.token.max.lifetime.ms", 4),
    ("delete.retention.ms", 1),
    ("fetch.purgatory.purge.interval.requests", 1),
    ("file.delete.delay.ms", 1),
    ("group.consumer.assignors", 1),
    ("group.consumer.heartbeat.interval.ms", 2),
    ("group.consumer.max.assignment.interval.ms", 1),
    ("group.consumer.max.heartbeat.interval.ms", 1),
    ("group.coordinator.background.threads", 1),
    ("group.coordinator.cached.buffer.max.bytes", 1),
    ("group.max.session.timeout.ms", 1),
    ("group.max.size", 1),
    ("group.share.delivery.count.limit", 1),
    ("group.share.heartbeat.interval.ms", 1),
    ("group.share.max.heartbeat.interval.ms", 1),
    ("group.share.max.record.lock.duration.ms", 1),
    ("group.share.min.partition.max.record.locks", 1),
    ("group.share.min.record.lock.duration.ms", 1),
    ("group.share.record.lock.duration.ms", 3),
    ("group.share.session.timeout.ms", 1),
    ("group.streams.initial.rebalance.delay.ms", 2),
    ("group.streams.max.heartbeat.interval.ms", 1),
    ("group.streams.max.session.timeout.ms", 1),
    ("group.streams.max.size", 1),
    ("group.streams.max.standby.replicas", 1),
    ("group.streams.min.assignment.interval.ms", 1),
    ("group.streams.num.standby.replicas", 2),
    ("group.streams.topology.description.plugin.class", 1),
    ("kafka.metrics.reporters", 2),
    ("leader.imbalance.check.interval.seconds", 1),
    ("listeners", 1),
    ("log.cleaner.io.buffer.load.factor", 1),
    ("log.cleaner.io.max.bytes.per.second", 1),
    ("log.flush.interval.messages", 1),
    ("log.flush.offset.checkpoint.interval.ms", 1),
    ("log.message.timestamp.type", 1),
    ("log.preallocate", 1),
    ("log.retention.check.interval.ms", 1),
    ("log.roll.hours", 1),
    ("log.segment.delete.delay.ms", 1),
    ("max.request.partition.size.limit", 1),
    ("metric.reporters", 1),
    ("metrics.sample.window.ms", 1),
    ("min.cleanable.dirty.ratio", 1),
    ("min.insync.replicas", 1),
    ("num.recovery.threads.per.data.dir", 1),
    ("offsets.topic.compression.codec", 2),
    ("principal.builder.class", 1),
    ("quota.window.size.seconds", 1),
    ("remote.log.delete.on.disable", 1),
    ("replica.selector.class", 1),
    ("replication.quota.window.size.seconds", 1),
    ("retention.ms", 1),
    ("sasl.client.callback.handler.class", 1),
    ("sasl.enabled.mechanisms", 1),
    ("sasl.kerberos.kinit.cmd", 1),
    ("sasl.kerberos.principal.to.local.rules", 2),
    ("sasl.login.callback.handler.class", 1),
    ("sasl.login.connect.timeout.ms", 2),
    ("sasl.login.refresh.buffer.seconds", 2),
    ("sasl.login.refresh.window.factor", 2),
    ("sasl.login.refresh.window.jitter", 1),
    ("sasl.login.retry.backoff.max.ms", 1),
    ("sasl.oauthbearer.allow.unverified.audience", 2),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", 1),
    ("sasl.oauthbearer.assertion.private.key.file", 3),
    ("sasl.oauthbearer.client.credentials.client.secret", 1),
    ("sasl.oauthbearer.clock.skew.seconds", 1),
    ("sasl.oauthbearer.expected.audience", 2),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", 1),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", 3),
    ("sasl.oauthbearer.jwks.endpoint.url", 1),
    ("sasl.oauthbearer.jwt.retriever.class", 2),
    ("sasl.oauthbearer.scope.claim.name", 1),
    ("sasl.oauthbearer.sub.claim.name", 2),
    ("sasl.oauthbearer.token.endpoint.url", 2),
    ("sasl.server.max.receive.size", 1),
    ("security.inter.broker.protocol", 1),
    ("security.providers", 2),
    ("share.coordinator.append.linger.ms", 1),
    ("share.coordinator.snapshot.update.records.per.snapshot", 1),
    ("share.coordinator.state.topic.compression.codec", 2),
    ("share.coordinator.write.timeout.ms", 2),
    ("share.record.lock.duration.ms", 1),
    ("socket.connection.setup.timeout.max.ms", 1),
    ("socket.receive.buffer.bytes", 1),
    ("ssl.allow.san.changes", 2),
    ("ssl.key.password", 1),
    ("ssl.keystore.location", 1),
    ("ssl.keystore.type", 2),
    ("ssl.secure.random.implementation", 1),
    ("ssl.truststore.certificates", 1),
    ("ssl.truststore.location", 1),
    ("ssl.truststore.password", 2),
    ("streams.assignor.name", 1),
    ("streams.num.standby.replicas", 1),
    ("streams.session.timeout.ms", 1),
    ("transaction.max.timeout.ms", 2),
    ("transaction.state.log.segment.bytes", 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_sorted_by_name() {
        assert!(RANKS.is_sorted_by_key(|(name, _)| name));
    }

    #[test]
    fn places_are_those_of_java() {
        for (name, places, expect) in
            [("compression.type", 64, 0), ("retention.ms", 64, 27), ("match", 16, 8), ("", 16, 0)]
        {
            assert_eq!(place(name, places), expect, "{name}");
        }
        let sizes = [0, 12, 13, 37, 350, 384, 385].map(places);
        assert_eq!(sizes, [16, 16, 32, 64, 512, 512, 1024]);
    }
}
