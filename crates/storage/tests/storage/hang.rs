//! A disk that does not answer, and one that comes back.

use std::sync::Arc;
use std::time::Duration;

use ottla_sim::{Broken, Fault, World};
use ottla_storage::{HANGS_AFTER, LogConfig, StorageError};
use ottla_wire::{Offset, PartitionIndex};

use crate::support::{NOW, batch, format, lead, start, topic};

#[test]
fn a_sync_that_cannot_open_what_it_has_to_sync_fails_and_does_not_hang() {
    World::new(4).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        let config = LogConfig { segment_index_bytes: 1 << 12, ..LogConfig::default() };
        let dirs = start(&env, &["/a"], &config);
        let p0 = PartitionIndex(0);
        let log = dirs.create(topic(1), "t", p0, None, Arc::new(config), NOW).unwrap();
        log.append(&batch(None, false, &["one"]), lead()).unwrap();
        world.disk(1).fail_below("/a", Broken::Writes, Fault::Denied);
        log.sync().unwrap_err();
        assert!(log.directory().failure().is_some());
    });
}

#[test]
fn a_disk_that_hangs_is_told_and_one_that_comes_back_goes_on() {
    World::new(3).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        format(env.disk(), "/b", 0xbb);
        let config = LogConfig { segment_index_bytes: 1 << 12, ..LogConfig::default() };
        let dirs = start(&env, &["/a", "/b"], &config);
        let directory = dirs.directories().next().unwrap().clone();
        let place = Some(directory.id());
        let p0 = PartitionIndex(0);
        let log = dirs.create(topic(1), "t", p0, place, Arc::new(config), NOW).unwrap();
        log.append(&batch(None, false, &["one"]), lead()).unwrap();
        world.disk(1).hang_for(Duration::from_secs(60));
        let (tasks, syncing, world_of) = (env.tasks(), Arc::clone(&log), env.clone());
        tasks.spawn("sync", async move {
            syncing.synced(&world_of, Offset(1)).await.unwrap();
        });
        env.sleep(Duration::from_millis(1)).await;
        let synced = env.timeout(Duration::from_secs(5), log.synced(&env, Offset(1))).await;
        assert!(synced.is_err());
        assert!(dirs.hung(env.monotonic()).is_empty(), "it may only be slow");
        let synced = env.timeout(Duration::from_secs(15), log.synced(&env, Offset(1))).await;
        assert!(synced.is_err(), "the sync that others wait for is still under way");
        let hung = dirs.hung(env.monotonic());
        assert_eq!(hung.len(), 1);
        assert_eq!(hung[0].0, directory.path());
        assert!(hung[0].1 >= HANGS_AFTER);
        world.disk(1).repair();
        let ended: Result<(), StorageError> = log.synced(&env, Offset(1)).await;
        ended.unwrap();
        assert_eq!(log.recovery_point(), Offset(1));
        assert!(dirs.hung(env.monotonic()).is_empty());
        assert_eq!(directory.failure(), None);
    });
}
