//! The error codes in an answer, counted.
//!
//! Every answer is a message with error codes somewhere; one walk over its fields finds them, so
//! that no handler has to count. Cost: a virtual call per field of the answer.

use ottla_metrics::ApiMeter;
use ottla_wire::{FieldInfo, Message, Records, StructInfo, UnknownTags, Uuid, Visitor};

/// What a field is called that holds an error code. Kafka counts the same ones, with one more in
/// the answer to CreateTopics that only says whether configs are shown.
const NAMES: &[&str] = &["errorCode", "partitionErrorCode", "acknowledgeErrorCode"];

/// Counts every error code in an answer of this version, that of success too.
pub fn count_errors<M: Message>(meter: &ApiMeter, answer: &M, version: i16) {
    answer.walk(version, &mut Errors { meter, is_next: false });
}

struct Errors<'a> {
    meter: &'a ApiMeter,
    /// The next number is an error code.
    is_next: bool,
}

impl Visitor for Errors<'_> {
    fn field(&mut self, field: &'static FieldInfo, _: bool) {
        self.is_next = NAMES.contains(&field.name);
    }

    fn int(&mut self, value: i64, _: usize) {
        if std::mem::take(&mut self.is_next) {
            self.meter.error(i16::try_from(value).unwrap_or(-1));
        }
    }

    fn null(&mut self) {}
    fn bool(&mut self, _: bool) {}
    fn float(&mut self, _: f64) {}
    fn uuid(&mut self, _: Uuid) {}
    fn text(&mut self, _: &str) {}
    fn bytes(&mut self, _: &[u8]) {}
    fn records(&mut self, _: &Records) {}
    fn begin_array(&mut self, _: usize) {}
    fn end_array(&mut self) {}
    fn begin_struct(&mut self, _: &'static StructInfo) {}
    fn end_struct(&mut self, _: &'static StructInfo, _: Option<&UnknownTags>) {}
}

#[cfg(test)]
mod tests {
    use ottla_metrics::{Api, Format, Page, Requests};
    use ottla_wire::messages::FetchResponse;
    use ottla_wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use ottla_wire::{ApiKey, ErrorCode};

    use super::*;

    #[test]
    fn every_code_counts_at_whatever_depth_it_stands() {
        let names = ErrorCode::all().map(ErrorCode::name).collect();
        let api = Api { key: ApiKey::Fetch as i16, name: "Fetch", versions: 4..=18 };
        let requests = Requests::new([api], names);
        let partition = |error_code| PartitionData { error_code, ..PartitionData::default() };
        let topic = FetchableTopicResponse {
            partitions: vec![
                partition(ErrorCode::NONE),
                partition(ErrorCode::OFFSET_OUT_OF_RANGE),
                partition(ErrorCode(9_999)),
            ],
            ..Default::default()
        };
        let answer = FetchResponse { responses: vec![topic], ..Default::default() };
        count_errors(requests.of(1).expect("an API"), &answer, 12);
        let mut page = Page::default();
        let metrics = ottla_metrics::Metrics {
            requests: requests.into(),
            traffic: Default::default(),
            listeners: Default::default(),
        };
        metrics.write(&mut page);
        let text = page.text(Format::Prometheus);
        for (error, count) in [("NONE", 2), ("OFFSET_OUT_OF_RANGE", 1), ("UNKNOWN_SERVER_ERROR", 1)]
        {
            let line = format!("{{request=\"Fetch\",error=\"{error}\"}} {count}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
