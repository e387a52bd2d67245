//! Single rules of reading and writing: what is refused, dropped, kept, and how it is called.

use std::sync::Arc;

use ottla_wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::*;
use ottla_wire::{
    ApiKey, Bytes, DecodeError, EncodeError, FileSlice, Message, Offset, Part, Problem, Reader,
    Records, StrBytes, TopicId, Uuid, Writer, frame,
};

fn problem<M: Message>(bytes: &'static [u8], version: i16) -> Problem {
    let read = M::decode_all(Bytes::from_static(bytes), version);
    read.expect_err("the bytes are wrong").problem
}

#[test]
fn counts_and_lengths_that_lie_are_refused() {
    type Topics = MetadataRequest;
    let too_many =
        |bytes, version| matches!(problem::<Topics>(bytes, version), Problem::TooManyElements(_));
    assert!(too_many(&[0x7f, 0xff, 0xff, 0xff], 1));
    assert!(too_many(&[0, 0, 0, 2, 0], 1));
    assert!(too_many(&[0xff, 0xff, 0xff, 0xff, 0x0f], 12));
    assert_eq!(problem::<Topics>(&[0xff, 0xff, 0xff, 0xfe], 1), Problem::NegativeLength(-2));
    assert_eq!(problem::<Topics>(&[0xff, 0xff, 0xff, 0xff], 0), Problem::Null);
    assert_eq!(problem::<Topics>(&[0xff; 6], 12), Problem::Varint);
    let mut zeros = vec![0; 1_000_001 + 4];
    zeros[..4].copy_from_slice(&1_000_001i32.to_be_bytes());
    let error = MetadataRequest::decode_all(zeros.into(), 1).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyElements(1_000_001));
}

#[test]
fn texts_must_be_short_utf_8() {
    assert_eq!(problem::<MetadataRequest>(&[0, 0, 0, 1, 0, 2, 0xc3, 0x28], 1), Problem::Utf8);
    let needed = Problem::Truncated { needed: 9, left: 1 };
    assert_eq!(problem::<MetadataRequest>(&[0, 0, 0, 1, 0, 9, b'a'], 1), needed);
    let mut w = Writer::new();
    w.uvarint(2); // one topic
    w.raw(&[0; 16]);
    w.uvarint(32_769);
    w.raw(&[b'a'; 32_768]);
    let error = MetadataRequest::decode_all(w.into_bytes().unwrap(), 12).unwrap_err();
    assert_eq!(error.problem, Problem::StringTooLong(32_768));
    let name = Some(StrBytes::from("a".repeat(32_768)));
    let topics = Some(vec![MetadataRequestTopic { name, ..Default::default() }]);
    let request = MetadataRequest { topics, ..Default::default() };
    assert_eq!(request.to_bytes(12), Err(EncodeError::StringTooLong(32_768)));
}

#[test]
fn tags_ascend_fill_their_size_and_are_not_too_many() {
    // ApiVersionsRequest v3: two empty texts, then tagged fields.
    type Asked = ApiVersionsRequest;
    assert_eq!(problem::<Asked>(&[1, 1, 2, 5, 0, 5, 0], 3), Problem::TagOrder(5));
    assert_eq!(problem::<Asked>(&[1, 1, 2, 5, 0, 4, 0], 3), Problem::TagOrder(4));
    let needed = Problem::Truncated { needed: 9, left: 0 };
    assert_eq!(problem::<Asked>(&[1, 1, 1, 5, 9], 3), needed);
    let many = problem::<Asked>(&[1, 1, 0x91, 0x4e], 3);
    assert_eq!(many, Problem::TooManyTags(10_001));
    // ApiVersionsResponse v3: tag 1 is a number of eight bytes.
    let short =
        problem::<ApiVersionsResponse>(&[0, 0, 1, 0, 0, 0, 0, 1, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0], 3);
    assert_eq!(short, Problem::TagSize(1));
    let long = problem::<ApiVersionsResponse>(
        &[0, 0, 1, 0, 0, 0, 0, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        3,
    );
    assert_eq!(long, Problem::TagSize(1));
}

#[test]
fn unknown_tags_are_kept_in_their_places() {
    let bytes = Bytes::from_static(&[1, 1, 2, 5, 1, 0xaa, 9, 0]);
    let request = ApiVersionsRequest::decode_all(bytes.clone(), 3).unwrap();
    let tags = request.unknown_tagged_fields.as_slice();
    assert_eq!(tags, [(5, Bytes::from_static(&[0xaa])), (9, Bytes::new())]);
    assert_eq!(request.to_bytes(3), Ok(bytes));
    assert_eq!(request.to_bytes(0), Err(EncodeError::TagOrder(5)));
}

#[test]
fn a_nullable_struct_has_a_marker() {
    // DescribeTopicPartitionsRequest v0: no topics, a limit, a cursor or null.
    type Asked = DescribeTopicPartitionsRequest;
    assert_eq!(problem::<Asked>(&[1, 0, 0, 0, 1, 7, 0], 0), Problem::Marker(7));
    let null = problem::<ConsumerGroupMemberMetadataValue>(
        &[1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0xff],
        0,
    );
    assert_eq!(null, Problem::Marker(0xff), "a tagged one has 0 for null");
    let none = Asked::decode_all(Bytes::from_static(&[1, 0, 0, 0, 1, 0xff, 0]), 0).unwrap();
    assert_eq!(none.cursor, None);
}

#[test]
fn a_field_that_the_version_lacks_is_dropped_only_where_it_may_be() {
    let id = TopicId(Uuid::from_u128(5));
    let topic = MetadataRequestTopic { topic_id: id, name: Some("a".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    assert!(request.to_bytes(12).is_ok());
    assert!(request.to_bytes(9).is_ok(), "the id may be dropped");
    let strict = FetchRequest { rack_id: "a".into(), max_wait_ms: 1, ..Default::default() };
    assert!(strict.to_bytes(4).is_ok(), "the rack may be dropped");
    let strict = ProduceRequest { transactional_id: None, ..Default::default() };
    assert!(strict.to_bytes(3).is_ok());
    let strict = JoinGroupRequest { group_instance_id: Some("a".into()), ..Default::default() };
    let absent = EncodeError::FieldAbsent { field: "groupInstanceId", version: 4 };
    assert_eq!(strict.to_bytes(4), Err(absent));
    assert!(strict.to_bytes(5).is_ok());
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    let error = ProduceRequest::decode_all(Bytes::new(), 2).unwrap_err();
    assert_eq!(error.to_string(), "ProduceRequest has versions 3-13, not 2 (at byte 0)");
    let error = ProduceRequest::default().to_bytes(14).unwrap_err();
    assert_eq!(error.to_string(), "ProduceRequest has versions 3-13, not 14");
}

#[test]
fn a_frame_that_is_no_request_is_refused() {
    let read = |bytes: &'static [u8]| {
        frame::decode_request_header(&mut Reader::new(Bytes::from_static(bytes)))
    };
    let unknown = DecodeError { at: 0, problem: Problem::ApiKey(0x4745) };
    assert_eq!(read(b"GET / HTTP/1.1\r\n\r\n").unwrap_err(), unknown);
    assert!(read(&[0, 18, 0]).is_err());
    let newer = read(&[0, 18, 0, 99, 0, 0, 0, 1, 0, 1, b'a', 0]).unwrap();
    assert_eq!((newer.request_api_version, newer.correlation_id), (99, 1));
    assert_eq!(newer.client_id.as_deref(), Some("a"));
}

#[test]
fn records_leave_as_parts_of_their_own_and_nothing_is_copied() {
    let file = FileSlice { file: Arc::new(5u8), position: 4096, len: 70_000 };
    let large = Bytes::from(vec![1; 5000]);
    let partition = |index, records: Records| PartitionData {
        partition_index: ottla_wire::PartitionIndex(index),
        high_watermark: Offset(9),
        records: Some(records),
        ..Default::default()
    };
    let partitions = vec![
        partition(0, large.clone().into()),
        partition(1, Records::File(file.clone())),
        partition(2, Bytes::from_static(b"small").into()),
    ];
    let topic = FetchableTopicResponse { partitions, ..Default::default() };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    let parts = frame::encode_response(&response, ApiKey::Fetch, 16, 3).unwrap();
    let (Part::Bytes(head), Part::Bytes(first)) = (&parts[0], &parts[1]) else { panic!() };
    assert_eq!(first.as_ptr(), large.as_ptr());
    assert_eq!((parts.len(), &parts[3]), (5, &Part::File(file)));
    let size: usize = parts.iter().map(Part::len).sum();
    assert_eq!(head[..4], i32::try_from(size - 4).unwrap().to_be_bytes());
    assert_eq!(response.to_bytes(16), Err(EncodeError::InFile));
}

#[test]
fn decoded_fields_are_slices_of_the_frame() {
    let request = ProduceRequest {
        topic_data: vec![produce_request::TopicProduceData {
            name: "orders".into(),
            partition_data: vec![produce_request::PartitionProduceData {
                records: Some(Bytes::from_static(&[7; 100]).into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let frame = request.to_bytes(9).unwrap();
    let decoded = ProduceRequest::decode_all(frame.clone(), 9).unwrap();
    assert_eq!(decoded, request);
    let within = frame.as_ptr_range();
    let topic = &decoded.topic_data[0];
    assert!(within.contains(&topic.name.as_ptr()));
    let records = topic.partition_data[0].records.as_ref().and_then(Records::as_bytes).unwrap();
    assert!(within.contains(&records.as_ptr()));
}

#[test]
fn debug_shows_what_is_set() {
    let request = ApiVersionsRequest { client_software_name: "me".into(), ..Default::default() };
    assert_eq!(format!("{request:?}"), "ApiVersionsRequest {clientSoftwareName: \"me\"}");
}

#[test]
fn json_is_kafkas() {
    let response = ApiVersionsResponse {
        api_keys: vec![api_versions_response::ApiVersion {
            api_key: 18,
            max_version: 5,
            ..Default::default()
        }],
        ..Default::default()
    };
    let keys = r#"[{"apiKey":18,"minVersion":0,"maxVersion":5}]"#;
    let expected = format!(r#"{{"errorCode":0,"apiKeys":{keys},"throttleTimeMs":0}}"#);
    assert_eq!(response.to_json(3), expected);
}
