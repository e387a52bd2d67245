//! A node in a folder of its own, and commands that are run against it.
//!
//! Must hold: no port is chosen here, and the folder is gone afterwards.

use std::io::Cursor;
use std::time::Duration;

use ottla_cli::{Context, run};
use ottla_client::{Client, ClientSettings};
use ottla_env::Env;
use ottla_node::{Node, Opening};
use ottla_settings::{Input, Settings};

/// What a command printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: u8,
}

/// What the nodes belong to that are formatted first.
const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";
/// The configuration of a node whose quorum has its voters from there.
const STATIC: &str = "controller.quorum.voters=1@127.0.0.1:9093";
/// The configuration of a node whose quorum keeps its voters in its log.
const DYNAMIC: &str = "controller.quorum.bootstrap.servers=127.0.0.1:9093";

/// The node.
pub(crate) struct Session {
    env: Env,
    node: Node,
    address: String,
    controller: String,
    folder: tempfile::TempDir,
}

/// The log directories in the node's folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directories {
    /// The folder itself.
    One,
    /// `data1` and `data2` in it.
    Two,
}

impl Session {
    /// Starts a node with more lines of configuration.
    async fn start(env: &Env, more: &str, directories: Directories) -> Session {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let log_dirs = match directories {
            Directories::One => at.to_string(),
            Directories::Two => format!("{at}/data1,{at}/data2"),
        };
        let file = format!(
            "process.roles=broker,controller\nnode.id=1\nlog.dirs={log_dirs}\n\
             listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
             controller.listener.names=CONTROLLER\n{more}\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=2\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=2\n\
             transaction.partition.verification.enable=false\n\
             group.initial.rebalance.delay.ms=0\ngroup.streams.initial.rebalance.delay.ms=0\n\
             group.streams.assignment.interval.ms=0\n\
             share.coordinator.state.topic.num.partitions=2\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             log.segment.delete.delay.ms=1000\n"
        );
        if more == DYNAMIC {
            let path = folder.path().join("server.properties");
            env.disk().replace(&path, file.as_bytes()).unwrap();
            let path = path.display();
            let line =
                format!("storage format --standalone --cluster-id {CLUSTER} --config {path}");
            let words: Vec<String> = line.split(' ').map(String::from).collect();
            let (mut context, printed) = Context::captured(env.clone());
            let code = run(&mut context, "ottla", &words).await;
            assert_eq!(code, 0, "{}", printed.stderr());
        }
        let input = Input { file: Some(file.as_bytes()), ..Input::default() };
        let settings = Settings::load(input).unwrap().settings;
        let node = Node::start(env, Opening { settings, cluster_id: None }).await.unwrap();
        let at = |listener: &str| {
            let found = node.addresses().iter().find(|address| address.listener == listener);
            found.unwrap().address.to_string()
        };
        let (address, controller) = (at("PLAINTEXT"), at("CONTROLLER"));
        Session { env: env.clone(), node, address, controller, folder }
    }

    /// A file beside the node's logs; gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        self.env.disk().replace(&path, text.as_bytes()).unwrap();
        path.display().to_string()
    }

    /// The folder that everything of this session is in.
    pub(crate) fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Where the node's controller is.
    pub(crate) fn controller(&self) -> &str {
        &self.controller
    }

    /// A client of the node.
    pub(crate) async fn client(&self) -> Client {
        let settings = ClientSettings::new(&self.address);
        Client::connect(self.env.clone(), settings).await.unwrap()
    }

    /// The world that the commands live in.
    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    /// Where the node is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Runs the words with `input`.
    pub(crate) async fn words(&self, words: &[String], input: String) -> Ran {
        let (mut context, printed) = Context::captured(self.env.clone());
        context.input = Some(Box::new(Cursor::new(input)));
        let code = run(&mut context, "ottla", words).await;
        Ran { stdout: printed.stdout(), stderr: printed.stderr(), code }
    }

    /// Runs `line` with `input`; stdout, and after it stderr and the code when that is not 0.
    pub(crate) async fn run(&self, line: &str, input: &str) -> String {
        self.run_at(&format!("--bootstrap-server {}", self.address), line, input).await
    }

    async fn run_at(&self, server: &str, line: &str, input: &str) -> String {
        let line = format!("{line} {server}");
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let ran = self.words(&words, input.to_string()).await;
        match ran.code {
            0 => ran.stdout,
            code => format!("{}{}code {code}\n", ran.stdout, ran.stderr),
        }
    }

    /// Runs `line` without a broker; prints as [`Session::run`] does.
    pub(crate) async fn run_at_controller(&self, line: &str) -> String {
        self.run_at(&format!("--bootstrap-controller {}", self.controller), line, "").await
    }

    /// Runs `line` and compares what it printed.
    pub(crate) async fn check(&self, line: &str, expect: &str) {
        assert_eq!(self.run(line, "").await, expect, "{line}");
    }
}

/// Runs the test on a runtime of its own, for at most a minute.
pub(crate) fn with_session(test: impl AsyncFnOnce(&Session)) {
    with_configured(STATIC, Directories::One, test);
}

/// The same on a node with two log directories, `data1` and `data2` in the session's folder.
pub(crate) fn with_two_directories(test: impl AsyncFnOnce(&Session)) {
    with_configured(STATIC, Directories::Two, test);
}

/// The same on a node whose quorum keeps its voters in its log.
pub(crate) fn with_dynamic_session(test: impl AsyncFnOnce(&Session)) {
    with_configured(DYNAMIC, Directories::One, test);
}

fn with_configured(more: &str, directories: Directories, test: impl AsyncFnOnce(&Session)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    let ran = runtime.block_on(env.timeout(Duration::from_secs(60), async {
        let session = Session::start(&env, more, directories).await;
        test(&session).await;
        session.node.stop().await;
    }));
    assert!(ran.is_ok(), "the session took over a minute");
}
