//! Changes of the metadata that clients ask this broker for, and the controller decides.

use ottla_wire::messages::*;

use crate::support::House;

fn house() -> House {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    house
}

#[test]
fn who_changes_metadata_is_answered_when_this_broker_knows_of_it() {
    let mut house = house();
    house.controller_is_ahead();
    let waiting = house.spawn(1, IncrementalAlterConfigsRequest::default());
    house.pass_ms(1_000);
    assert!(!waiting.is_done());
    house.configure_topic("t", "retention.ms", "7000");
    assert!(waiting.is_done());
    waiting.answer().answer();
}

#[test]
fn a_broker_that_knows_everything_answers_at_once() {
    let house = house();
    let waiting = house.spawn(1, IncrementalAlterConfigsRequest::default());
    house.pass_ms(1);
    assert!(waiting.is_done());
}

#[test]
fn a_broker_that_does_not_catch_up_answers_all_the_same() {
    let house = house();
    house.controller_is_ahead();
    let waiting = house.spawn(1, IncrementalAlterConfigsRequest::default());
    house.pass_ms(4_900);
    assert!(!waiting.is_done());
    house.pass_ms(200);
    waiting.answer().answer();
}
