//! The real network, over loopback with ports that the system chooses.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use ottla_env::{Env, Open, Stream};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Runs `test` with a connection and, as a bound for a test that hangs, a minute of time.
fn with_connection(test: impl AsyncFnOnce(Env, Stream, Stream)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    runtime.block_on(async {
        let listener = env.net().listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let net = env.net();
        let (ours, theirs) = tokio::join!(net.connect("localhost", port), listener.accept());
        let (ours, (theirs, peer)) = (ours.unwrap(), theirs.unwrap());
        assert_eq!(ours.local_addr().unwrap(), peer);
        let test = test(env.clone(), ours, theirs);
        env.timeout(Duration::from_secs(60), test).await.expect("the test hangs");
    });
}

#[test]
fn both_directions_carry_bytes_and_end_by_themselves() {
    with_connection(async |_, ours, mut theirs| {
        let (mut read, mut write) = ours.into_split();
        let parts = [IoSlice::new(b"two "), IoSlice::new(b"parts")];
        assert_eq!(write.write_vectored(&parts).await.unwrap(), 9);
        assert!(write.is_write_vectored() && theirs.is_write_vectored());
        drop(write);
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "two parts");
        theirs.write_all(b"answer").await.unwrap();
        theirs.shutdown().await.unwrap();
        text.clear();
        read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
    });
}

#[test]
fn a_range_of_a_file_is_sent_through_a_socket_that_fills() {
    with_connection(async |env, ours, mut theirs| {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("segment");
        let content: Vec<u8> = (0..9_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        env.disk().write(&path, &content).unwrap();
        let file = env.disk().open(&path, Open::Read).unwrap();
        let (_read, mut write) = ours.into_split();
        let sender = async move {
            write.write_all(b"head").await.unwrap();
            write.send_file(&file, 1_000, 8_000_000).await.unwrap();
            write.send_file(&file, 0, 0).await.unwrap();
            let error = write.send_file(&file, 8_999_999, 2).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        };
        let mut received = Vec::new();
        let tasks = env.tasks();
        tasks.spawn("sender", sender);
        theirs.read_to_end(&mut received).await.unwrap();
        tasks.join_all().await;
        assert_eq!(tasks.failure(), None);
        assert_eq!(&received[..4], b"head");
        assert!(received[4..8_000_004] == content[1_000..8_001_000]);
        assert_eq!(received[8_000_004..], content[8_999_999..]);
    });
}

#[test]
fn a_file_that_is_sent_to_no_one_is_an_error() {
    with_connection(async |env, ours, theirs| {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("segment");
        env.disk().write(&path, &vec![1; 4_000_000]).unwrap();
        let file = env.disk().open(&path, Open::Read).unwrap();
        let (_read, mut write) = ours.into_split();
        drop(theirs);
        while write.send_file(&file, 0, 4_000_000).await.is_ok() {}
    });
}

#[test]
fn a_port_where_no_one_listens_refuses() {
    with_connection(async |env, _, _| {
        let listener = env.net().listen("[::1]:0".parse().unwrap()).await;
        // Machines without IPv6 are fine too.
        let Ok(listener) = listener else { return };
        let port = listener.local_addr().unwrap().port();
        env.net().connect("[::1]", port).await.unwrap();
        drop(listener);
        let error = env.net().connect("::1", port).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}
