//! What `ottla storage` prints and writes; the lines are those that kafka-storage 4.3.1 printed.

use std::path::Path;

use expect_test::{Expect, expect};

use super::*;
use crate::Captured;

const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

struct Case {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Case {
    fn new(lines: &[&str]) -> Case {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let case = Case { folder, runtime: runtime.expect("threads") };
        let mut text = "process.roles=broker,controller\nnode.id=1\n\
            listeners=PLAINTEXT://127.0.0.1:29092,CONTROLLER://127.0.0.1:29093\n\
            controller.listener.names=CONTROLLER\n"
            .to_owned();
        let dirs: Vec<String> =
            ["d1", "d2"].iter().map(|dir| case.path(dir).display().to_string()).collect();
        text.push_str(&format!("log.dirs={}\n", dirs.join(",")));
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        case.env().disk().write(&case.path("server.properties"), text.as_bytes()).expect("room");
        case
    }

    fn dynamic() -> Case {
        Case::new(&["controller.quorum.bootstrap.servers=127.0.0.1:29093"])
    }

    fn env(&self) -> Env {
        Env::real(self.runtime.handle().clone())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exit code and output, with the folder's path as `DIR`.
    fn run(&self, line: &str) -> String {
        let config = self.path("server.properties").display().to_string();
        let line = line.replace("CONFIG", &config).replace("CLUSTER", CLUSTER);
        let words: Vec<String> =
            ["storage"].into_iter().chain(line.split_whitespace()).map(str::to_owned).collect();
        let (mut context, output): (Context, Captured) = Context::captured(self.env());
        let code = self.runtime.block_on(crate::run(&mut context, "ottla", &words));
        let text = format!("{}{}exit {code}\n", output.stdout(), output.stderr());
        text.replace(&self.folder.path().display().to_string(), "DIR")
    }

    fn check(&self, line: &str, expected: &Expect) {
        expected.assert_eq(&self.run(line));
    }
}

#[test]
fn format_tells_what_kafka_tells() {
    let case = Case::dynamic();
    case.check(
        "info -c CONFIG",
        &expect![[r"
            Found problems:
              DIR/d1 does not exist
              DIR/d2 does not exist

            exit 1
        "]],
    );
    let told = case.run("format -t CLUSTER -c CONFIG --standalone");
    let levels = [
        ("metadata.version", 30),
        ("eligible.leader.replicas.version", 1),
        ("group.version", 1),
        ("share.version", 1),
        ("streams.version", 1),
        ("transaction.version", 2),
    ];
    let records = levels.map(|(name, level)| {
        format!(
            "ApiMessageAndVersion(FeatureLevelRecord(name='{name}', featureLevel={level}) at \
             version 0)"
        )
    });
    let expected = format!(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel=30, \
         source=format command)\n\
         Formatting data directory DIR/d2 with metadata.version 4.3-IV0.\n\
         Formatting dynamic metadata voter directory DIR/d1 with metadata.version 4.3-IV0.\n\
         exit 0\n",
        records.join(", ")
    );
    assert_eq!(told, expected);
    let told = case.run("format -t CLUSTER -c CONFIG --standalone");
    assert_eq!(
        told,
        "Log directory DIR/d1 is already formatted. Use --ignore-formatted to ignore this \
         directory and format the others.\nexit 1\n"
    );
    case.check(
        "format -t CLUSTER -c CONFIG --standalone -g",
        &expect![[r"
            All of the log directories are already formatted.
            exit 0
        "]],
    );
    let told = case.run("format -t 5L6g3nShT-eMCtK--X86sw -c CONFIG --standalone -g");
    assert_eq!(
        told,
        format!(
            "Invalid cluster.id in: DIR/d1/meta.properties. Expected 5L6g3nShT-eMCtK--X86sw, but \
             read {CLUSTER}\nexit 1\n"
        )
    );
}

#[test]
fn info_shows_the_metadata_of_the_first_folder() {
    let case = Case::dynamic();
    case.run("format -t CLUSTER -c CONFIG --standalone");
    let told = case.run("info -c CONFIG");
    let meta = MetaProperties::read(case.env().disk(), &case.path("d1")).unwrap().unwrap();
    let id = meta.directory_id.unwrap();
    assert_eq!(
        told,
        format!(
            "Found log directories:\n  DIR/d1\n  DIR/d2\n\nFound metadata: \
             {{cluster.id={CLUSTER}, directory.id={id}, node.id=1, version=1}}\n\nexit 0\n"
        )
    );
}

#[test]
fn what_does_not_go_together_is_refused_in_kafkas_words() {
    let case = Case::dynamic();
    let told = case.run("format -t CLUSTER -c CONFIG");
    assert_eq!(
        told,
        "Because controller.quorum.voters is not set on this controller, you must specify one \
         of the following: --standalone, --initial-controllers, or --no-initial-controllers.\n\
         exit 1\n"
    );
    let told = case.run("format -t CLUSTER -c CONFIG -s -f foo=1");
    assert_eq!(
        told,
        "Unsupported feature: foo. Supported features are: eligible.leader.replicas.version, \
         group.version, kraft.version, share.version, streams.version, transaction.version\n\
         exit 1\n"
    );
    let unknown = case.run("format -t CLUSTER -c CONFIG -s -r 9.9");
    assert!(unknown.starts_with("Unknown metadata.version '9.9'. Supported"), "{unknown}");
    let kraft = case.run("format -t CLUSTER -c CONFIG -s -f kraft.version=0");
    assert!(kraft.starts_with("Cannot set kraft.version to 0"), "{kraft}");
    let fixed = Case::new(&["controller.quorum.voters=1@127.0.0.1:29093"]);
    let refused = fixed.run("format -t CLUSTER -c CONFIG -s");
    assert!(refused.starts_with("You cannot specify controller.quorum.voters"), "{refused}");
    let formatted = fixed.run("format -t CLUSTER -c CONFIG -r 3.9");
    assert!(
        formatted.contains("Formatting metadata directory DIR/d1 with metadata.version 3.9-IV0."),
        "{formatted}"
    );
    assert!(!fixed.env().disk().exists(&fixed.path("d1/__cluster_metadata-0")));
}

#[test]
fn the_list_of_voters_names_this_nodes_directory() {
    let case = Case::dynamic();
    let voter = "1@127.0.0.1:29093:JEXY6aqzQY-32P5TStzaFg";
    case.run(&format!("format -t CLUSTER -c CONFIG -I {voter}"));
    let meta = MetaProperties::read(case.env().disk(), Path::new(&case.path("d1")));
    let id = meta.unwrap().unwrap().directory_id.unwrap();
    assert_eq!(id.to_string(), "JEXY6aqzQY-32P5TStzaFg");
}

#[test]
fn words_are_read_as_argparse_reads_them() {
    let case = Case::dynamic();
    for (line, what) in [
        ("", "too few arguments"),
        ("bogus", "invalid choice: 'bogus'"),
        ("format -c CONFIG", "argument --cluster-id/-t is required"),
        ("format -t CLUSTER", "argument --config/-c is required"),
        ("format --bogus", "unrecognized arguments: '--bogus'"),
        ("format -t", "argument -t: expected one argument"),
        ("random-uuid x", "unrecognized arguments: 'x'"),
        ("format -c=CONFIG", "unrecognized arguments"),
        (
            "format -t CLUSTER -c CONFIG -s -N",
            "argument --no-initial-controllers/-N: not allowed with argument --standalone/-s",
        ),
    ] {
        let told = case.run(line);
        assert!(told.contains(what) && told.ends_with("exit 1\n"), "{line}: {told}");
    }
    let id = case.run("random-uuid");
    assert_eq!(id.lines().next().map(str::len), Some(22), "{id}");
    assert!(case.run("format --help").contains("--release-version"));
}
