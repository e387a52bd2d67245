//! Random requests by seed: whatever is asked, in whatever order, the cluster stays whole.
//!
//! The kit under the cluster replays its log from nothing after each run and compares.

mod cluster;

use cluster::Cluster;
use ottla_machine::Prng;
use ottla_metadata::{Image, Partition};
use ottla_wire::Offset;

/// One command, drawn from few names so that commands meet each other.
fn command(random: &mut Prng) -> String {
    let topic = ["one", "two", "t.3", "t_3"][random.below(4)];
    let broker = 1 + random.below(4);
    let directory = ["a", "b", "c", "d"][broker - 1];
    let other = 1 + random.below(4);
    let some = [format!("{broker}"), format!("{broker},{other}"), format!("{other},{broker}")];
    let list = &some[random.below(3)];
    let index = random.below(4);
    match random.below(26) {
        0 => format!("create {topic} p={} r={}", 1 + random.below(4), 1 + random.below(3)),
        1 => {
            format!("create {topic} 0:{list} 1:{list} min.insync.replicas={}", 1 + random.below(3))
        }
        2 => format!("create {topic} 0:{list} unclean.leader.election.enable=true"),
        3 if random.below(3) == 0 => format!("delete {topic}"),
        4 => format!("partitions {topic} {}", 1 + random.below(6)),
        5 => format!("set topic/{topic} min.insync.replicas={}", 1 + random.below(3)),
        6 => format!("append topic/{topic} cleanup.policy=compact"),
        7 => format!("set broker/ min.insync.replicas={}", 1 + random.below(3)),
        8 | 9 => {
            let previous = if random.below(2) == 0 { " previous=same" } else { "" };
            let incarnation = random.below(1_000);
            format!("register {broker} dirs={directory} incarnation={incarnation}{previous}")
        }
        10 => format!("disconnect {broker}"),
        11 => format!("heartbeat {broker} fence"),
        12 => format!("heartbeat {broker} stop"),
        13 => format!("heartbeat {broker} offline={directory}"),
        14 => format!("heartbeat {broker} cordoned={directory}"),
        15..=17 => format!("heartbeat {broker} cordoned="),
        18 | 19 => format!("isr {broker} {topic} {index} {list}"),
        20 => format!("assign {broker} {directory} {topic} {index}"),
        21 => format!("assign {broker} lost {topic} {index}"),
        22 => format!("elapse {}", random.below(12_000)),
        23 if random.below(4) == 0 => format!("unregister {broker}"),
        24 => format!("producer_ids {broker}"),
        _ if random.below(8) == 0 => {
            format!("features eligible.leader.replicas.version={} safe", random.below(2))
        }
        _ => format!("heartbeat {broker}"),
    }
}

fn check_partition(image: &Image, partition: &Partition) {
    let is_replica = |id| partition.replicas.contains(id);
    assert!(partition.isr.iter().all(is_replica), "in sync are replicas");
    assert!(partition.elr.iter().all(is_replica), "eligible are replicas");
    assert!(!partition.elr.iter().any(|id| partition.isr.contains(id)), "eligible or in sync");
    assert_eq!(partition.directories.len(), partition.replicas.len());
    assert!(partition.last_known_elr.len() <= 1);
    if let Some(leader) = partition.leader {
        assert!(partition.isr.contains(&leader), "the leader is in sync");
        let broker = image.broker(leader).expect("the leader is registered");
        assert!(broker.is_active(), "the leader is active");
        assert!(partition.last_known_elr.is_empty());
    }
    if !image.features().eligible_leader_replicas() {
        let kept = !partition.isr.is_empty() || !partition.last_known_elr.is_empty();
        assert!(kept || !partition.elr.is_empty() || partition.leader.is_none());
    }
}

/// Epochs never go back, and count every change.
fn check_epochs(before: &Image, after: &Image) {
    for topic in after.topics().iter() {
        let Some(old) = before.topic(topic.id) else { continue };
        assert!(topic.partitions.len() >= old.partitions.len());
        for (index, partition) in old.partitions.iter() {
            let next = topic.partitions.get(index).expect("partitions stay");
            assert!(next.leader_epoch >= partition.leader_epoch);
            assert!(next.partition_epoch >= partition.partition_epoch);
            if next.leader != partition.leader {
                assert!(next.leader_epoch > partition.leader_epoch, "a leader has its own epoch");
            }
        }
    }
    for broker in after.brokers() {
        let old = before.broker(broker.id);
        assert!(old.is_none_or(|old| old.epoch <= broker.epoch));
    }
    assert!(after.next_producer_id() >= before.next_producer_id());
}

fn from_snapshot(image: &Image) -> Image {
    let mut copy = Image::default();
    for (at, record) in (0..).zip(image.records()) {
        copy.apply(Offset(at), &record);
    }
    copy
}

#[test]
fn random_requests_leave_the_cluster_whole() {
    for seed in 0..60 {
        let mut random = Prng::new(seed);
        let mut cluster = Cluster::new(seed, &[]);
        cluster.script("activate");
        for (id, directory) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            cluster.script(&format!("register {id} dirs={directory}\nheartbeat {id}"));
        }
        let mut told = String::new();
        for _ in 0..200 {
            let before = cluster.image().clone();
            let command = command(&mut random);
            told.push_str(&cluster.script(&command));
            let after = cluster.image();
            let checked = std::panic::catch_unwind(|| {
                for topic in after.topics().iter() {
                    topic
                        .partitions
                        .values()
                        .for_each(|partition| check_partition(after, partition));
                }
                check_epochs(&before, after);
            });
            assert!(checked.is_ok(), "seed {seed}:\n{told}");
        }
        assert_eq!(&from_snapshot(cluster.image()), cluster.image(), "seed {seed}");
    }
}
