//! Plans as files have them, and options that do not fit.

use super::*;
use crate::options;

fn parsed(line: &str) -> Parsed {
    let words: Vec<String> = line.split_whitespace().map(String::from).collect();
    options::parse(OPTIONS, &words).unwrap()
}

fn check_options(line: &str, expect: &str) {
    let said = match action(&parsed(line)) {
        Ok(action) => action.name.to_owned(),
        Err(failure) => failure.to_string(),
    };
    assert_eq!(said, expect, "{line}");
}

#[test]
fn an_action_has_its_options_and_no_others() {
    check_options("--list --bootstrap-controller c:1", "list");
    check_options("--cancel --bootstrap-controller c:1 --reassignment-json-file f", "cancel");
    check_options("--list", "Please specify either --bootstrap-server or --bootstrap-controller");
    check_options(
        "--verify --bootstrap-controller c:1 --reassignment-json-file f",
        "Option \"[bootstrap-controller]\" can't be used with action \"[verify]\"",
    );
    check_options(
        "--generate --bootstrap-server b:1 --topics-to-move-json-file f",
        "Missing required argument \"[broker-list]\"",
    );
    check_options(
        "--generate --execute --bootstrap-server b:1",
        "Command must include exactly one action: --generate, --execute, --verify, --cancel, \
         --list",
    );
}

#[test]
fn a_plan_is_read_back_as_it_was_written() {
    let line = "{\"version\":1,\"partitions\":[{\"topic\":\"a\",\"partition\":0,\"replicas\":[1,2],\
                \"log_dirs\":[\"any\",\"/x\\\"y\"]},{\"topic\":\"b\",\"partition\":3,\
                \"replicas\":[2],\"log_dirs\":[\"any\"]}]}";
    let read = plan::parse(line).unwrap();
    read.check().unwrap();
    assert_eq!(plan::line(&read.partitions, &read.directories), line);
}

fn check_plan(text: &str, expect: &str) {
    let said = plan::parse(text).and_then(|plan| plan.check());
    assert_eq!(said.unwrap_err().to_string(), expect, "{text}");
}

#[test]
fn what_is_no_plan_is_explained() {
    check_plan("{", "EOF while parsing an object at line 1 column 1");
    check_plan(
        "{\"partitions\": [{\"topic\": 1, \"partition\": 0, \"replicas\": []}]}",
        "Expected `String` value, received 1",
    );
    check_plan("{\"partitions\": 5}", "Expected JSON array, received 5");
    check_plan(
        "{\"partitions\": [{\"topic\": \"t\", \"partition\": 0, \"replicas\": [2, 1, 2, 1]}]}",
        "Partition replica lists may not contain duplicate entries: t-0 contains multiple \
         entries for 1,2",
    );
    check_plan("{\"version\": 2}", "Not supported version field value 2");
}
