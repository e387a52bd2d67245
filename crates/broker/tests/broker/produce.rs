//! Producing: what is acknowledged when, and what is refused with which code.

use ottla_wire::ErrorCode;
use ottla_wire::Offset;
use ottla_wire::messages::ProduceResponse;
use ottla_wire::messages::produce_response::PartitionProduceResponse;

use crate::support::{House, batch, produce};

/// The answer for the one partition.
pub(crate) fn only(response: ProduceResponse) -> PartitionProduceResponse {
    let [topic] = response.responses.try_into().expect("one topic");
    let [partition] = topic.partition_responses.try_into().expect("one partition");
    partition
}

#[test]
fn every_acks_appends_a_record_and_gives_its_offset() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    for (acks, offset) in [(-1, 0), (1, 1)] {
        let told = only(house.ask(9, produce("t", acks, batch(&[(Some("k"), "v")]))));
        assert_eq!((told.error_code, told.base_offset), (ErrorCode::NONE, Offset(offset)));
    }
}
