//! Runs the scripts in `scenarios/`: a command, `----`, and everything it caused.

use expect_test::expect_file;
use ottla_wire::{BrokerId, DirectoryId, LeaderEpoch, Offset};

use super::*;
use crate::{LogEnd, Voter, VoterSet};

const ME: Voter = Voter { id: BrokerId(1), directory: DirectoryId(ottla_wire::Uuid([7; 16])) };

/// The number behind `name=` in a command.
fn number(words: &[&str], name: &str) -> Option<i64> {
    let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.parse().expect("a number"))
}

fn small(number: i64) -> i32 {
    i32::try_from(number).expect("fits")
}

fn start(words: &[&str]) -> Result<Raft, String> {
    let ids = words.iter().find_map(|word| word.strip_prefix("voters=")).unwrap_or("1");
    let voters = ids.split(',').filter(|id| !id.is_empty()).map(|id| {
        let id = BrokerId(id.parse().expect("an id"));
        if id == ME.id { ME } else { Voter { id, ..ME } }
    });
    let known = number(words, "epoch").map(|epoch| QuorumState {
        epoch: LeaderEpoch(small(epoch)),
        leader: number(words, "leader").map(|id| BrokerId(small(id))),
        voted: number(words, "voted").map(|id| Voter { id: BrokerId(small(id)), ..ME }),
    });
    let log = LogEnd {
        end: Offset(number(words, "end").unwrap_or(0)),
        epoch: LeaderEpoch(small(number(words, "log_epoch").unwrap_or(0))),
    };
    Raft::new(ME, VoterSet::of(voters), known, log).map_err(|refused| refused.to_string())
}

fn told(output: &Output) -> String {
    match output {
        Output::Persist(state) => {
            let leader = state.leader.map_or("-".to_owned(), |id| id.to_string());
            let voted = state.voted.map_or("-".to_owned(), |voter| voter.id.to_string());
            format!("persist epoch={} leader={leader} voted={voted}", state.epoch)
        }
        Output::Lead { epoch } => format!("lead epoch={epoch}"),
        Output::Flush { end } => format!("flush {end}"),
        Output::Committed { to } => format!("committed {to}"),
    }
}

fn run(raft: &mut Option<Raft>, command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let at = || Offset(words[1].parse().expect("an offset"));
    let input = match words[0] {
        "node" => match start(&words[1..]) {
            Ok(node) => {
                *raft = Some(node);
                Input::Start
            }
            Err(why) => return why,
        },
        "appended" => Input::Appended { end: at() },
        "flushed" => Input::Flushed { end: at() },
        "resign" => Input::Resign,
        other => panic!("no such command: {other}"),
    };
    let mut outputs = Vec::new();
    raft.as_mut().expect("node comes first").step(input, &mut outputs);
    let told: Vec<String> = outputs.iter().map(told).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(" | ") }
}

#[test]
fn the_scenarios_cause_what_they_say() {
    for (name, script) in [("sole_voter", include_str!("../../scenarios/sole_voter.txt"))] {
        let mut raft = None;
        let mut actual = String::new();
        for block in script.split("\n\n") {
            let (intro, command) = match block.split_once("\n----") {
                Some((command, _)) => ("", command),
                None => (block, ""),
            };
            if command.is_empty() {
                actual += &format!("{}\n\n", intro.trim_end());
                continue;
            }
            let comments: Vec<&str> = command.lines().filter(|l| l.starts_with('#')).collect();
            let line = command.lines().find(|l| !l.starts_with('#')).expect("a command");
            for comment in comments {
                actual += &format!("{comment}\n");
            }
            actual += &format!("{line}\n----\n{}\n\n", run(&mut raft, line));
        }
        let actual = format!("{}\n", actual.trim_end());
        let path = format!("{}/scenarios/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        expect_file![path].assert_eq(&actual);
    }
}
