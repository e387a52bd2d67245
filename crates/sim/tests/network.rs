//! The network: streams keep their bytes and order, and fail as TCP does.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::io::ErrorKind;
use std::time::Duration;

use ottla_env::{Env, Listener, Open, Stream};
use ottla_sim::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs `test` in the worlds of some seeds.
fn in_worlds(test: impl AsyncFn(World)) {
    for seed in 0..30 {
        World::new(seed).run(|world| test(world));
    }
}

async fn listen(env: &Env) -> Listener {
    env.net().listen("0.0.0.0:9092".parse().unwrap()).await.unwrap()
}

/// A connection from node 1 to node 2, as both see it.
async fn connected(world: &World) -> (Stream, Stream) {
    let listener = listen(&world.node(2)).await;
    let client = world.node(1);
    let net = client.net();
    let (ours, theirs) = tokio::join!(net.connect("node-2", 9092), listener.accept());
    let (ours, (theirs, peer)) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(ours.local_addr().unwrap(), peer);
    assert_eq!(ours.peer_addr().unwrap(), theirs.local_addr().unwrap());
    (ours, theirs)
}

#[test]
fn a_stream_keeps_bytes_and_order_and_ends() {
    in_worlds(async |world| {
        let (mut ours, mut theirs) = connected(&world).await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[(n % 3) as usize]).collect();
        let mut received = Vec::new();
        let write = async {
            ours.write_all(&sent).await.unwrap();
            ours.shutdown().await.unwrap();
            let mut answer = String::new();
            ours.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let read = async {
            theirs.read_to_end(&mut received).await.unwrap();
            theirs.write_all(b"half-closed").await.unwrap();
            drop(theirs);
        };
        let (answer, ()) = tokio::join!(write, read);
        assert!(received == sent);
        assert_eq!(answer, "half-closed");
    });
}

#[test]
fn a_reader_that_does_not_read_stops_its_writer() {
    in_worlds(async |world| {
        let (mut ours, mut theirs) = connected(&world).await;
        let env = world.node(1);
        let much = vec![7; 10_000_000];
        let written = env.timeout(Duration::from_secs(60), ours.write_all(&much)).await;
        assert!(written.is_err());
        drop(ours);
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() <= 256 * 1024 && !rest.is_empty());
    });
}

#[test]
fn a_file_is_sent_from_the_disk() {
    in_worlds(async |world| {
        let (ours, mut theirs) = connected(&world).await;
        let disk = world.node(1).disk().clone();
        let content: Vec<u8> = (0..200_000_u32).map(|n| n.to_be_bytes()[3]).collect();
        disk.write("/segment".as_ref(), &content).unwrap();
        let file = disk.open("/segment".as_ref(), Open::Read).unwrap();
        let (_read, mut write) = ours.into_split();
        let send = async move {
            write.send_file(&file, 100, 150_000).await.unwrap();
            let error = write.send_file(&file, 199_990, 20).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        };
        let mut received = vec![0; 150_010];
        let (_, read) = tokio::join!(send, theirs.read_exact(&mut received));
        read.unwrap();
        assert!(received[..150_000] == content[100..150_100]);
    });
}

#[test]
fn ports_and_addresses_are_those_of_a_machine() {
    in_worlds(async |world| {
        let env = world.node(1);
        let net = env.net();
        let any = net.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = any.local_addr().unwrap().port();
        assert_ne!(port, 0);
        let again = net.listen(format!("127.0.0.1:{port}").parse().unwrap()).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
        net.listen(format!("[::1]:{port}").parse().unwrap()).await.unwrap();
        let foreign = net.listen("10.0.0.2:80".parse().unwrap()).await;
        assert_eq!(foreign.unwrap_err().kind(), ErrorKind::AddrNotAvailable);

        net.connect("localhost", port).await.unwrap();
        let from_outside = world.node(2).net().connect("node-1", port).await;
        assert_eq!(from_outside.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let unknown = net.connect("nowhere.example", port).await;
        assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
        drop(any);
        let closed = net.connect("127.0.0.1", port).await;
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        net.listen(format!("0.0.0.0:{port}").parse().unwrap()).await.unwrap();
    });
}

#[test]
fn a_partition_holds_everything_back_until_it_is_healed() {
    in_worlds(async |world| {
        let (mut ours, mut theirs) = connected(&world).await;
        let env = world.node(1);
        world.partition(&[1], &[2, 3]);
        ours.write_all(b"late").await.unwrap();
        let mut bytes = [0; 4];
        let hour = Duration::from_secs(3600);
        assert!(env.timeout(hour, theirs.read_exact(&mut bytes)).await.is_err());
        let connect = env.net().connect("node-2", 9092).await;
        assert_eq!(connect.unwrap_err().kind(), ErrorKind::TimedOut);
        world.heal();
        theirs.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"late");
    });
}

#[test]
fn a_way_that_is_blocked_in_one_direction_carries_the_other() {
    in_worlds(async |world| {
        let (mut ours, mut theirs) = connected(&world).await;
        world.block(1, 2);
        theirs.write_all(b"heard").await.unwrap();
        let mut bytes = [0; 5];
        ours.read_exact(&mut bytes).await.unwrap();
        ours.write_all(b"unheard").await.unwrap();
        let wait = theirs.read_exact(&mut bytes);
        assert!(world.node(2).timeout(Duration::from_secs(9), wait).await.is_err());
    });
}

#[test]
fn a_killed_process_closes_its_connections() {
    in_worlds(async |world| {
        let (mut ours, theirs) = connected(&world).await;
        world.kill(2);
        let mut bytes = [0; 1];
        assert_eq!(ours.read(&mut bytes).await.unwrap(), 0);
        // The first write provokes the reset that a later one meets.
        let mut result = ours.write_all(b"anyone?").await;
        while result.is_ok() {
            world.sleep(Duration::from_millis(5)).await;
            result = ours.write_all(b"anyone?").await;
        }
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let refused = world.node(1).net().connect("node-2", 9092).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(theirs);
    });
}

#[test]
fn a_machine_without_power_says_nothing_until_it_is_back() {
    in_worlds(async |world| {
        let (mut ours, _theirs) = connected(&world).await;
        let env = world.node(1);
        world.crash(2);
        let mut bytes = [0; 1];
        let minute = Duration::from_secs(60);
        assert!(env.timeout(minute, ours.read(&mut bytes)).await.is_err());
        let connect = env.net().connect("node-2", 9092).await;
        assert_eq!(connect.unwrap_err().kind(), ErrorKind::TimedOut);
        world.restart(2, async |env: Env| {
            let _listener = listen(&env).await;
            std::future::pending::<()>().await;
        });
        ours.write_all(b"?").await.unwrap();
        let error = ours.read(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        env.net().connect("node-2", 9092).await.unwrap();
    });
}

#[test]
fn an_unread_byte_turns_a_close_into_a_reset() {
    in_worlds(async |world| {
        let (mut ours, theirs) = connected(&world).await;
        ours.write_all(b"never read").await.unwrap();
        world.sleep(Duration::from_millis(10)).await;
        drop(theirs);
        let error = ours.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reset_meets_both_sides() {
    in_worlds(async |world| {
        let (mut ours, mut theirs) = connected(&world).await;
        world.reset_connections(2, 1);
        for side in [&mut ours, &mut theirs] {
            let error = side.read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            let error = side.write(&[0; 1]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    });
}
