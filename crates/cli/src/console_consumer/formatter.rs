//! A record as a line: `CreateTime:1<TAB>Partition:0<TAB>h1:v1<TAB>key<TAB>value`.
//!
//! Bytes are printed as they are unless a deserializer is named. Not here: where lines go.

use ottla_client::ConsumerRecord;
use ottla_records::TimestampType;
use ottla_wire::Bytes;

use super::printing::{self, Printing};
use crate::failure::Failure;

/// The keys with their defaults, for `--help`.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("print.timestamp", "false"),
    ("print.partition", "false"),
    ("print.offset", "false"),
    ("print.delivery", "false"),
    ("print.epoch", "false"),
    ("print.headers", "false"),
    ("print.key", "false"),
    ("print.value", "true"),
    ("key.separator", "\\t"),
    ("line.separator", "\\n"),
    ("headers.separator", ","),
    ("null.literal", "null"),
    ("key.deserializer", ""),
    ("value.deserializer", ""),
    ("headers.deserializer", ""),
];

/// The deserializers, without `org.apache.kafka.common.serialization.` and `Deserializer`.
pub(super) const CLASSES: &[&str] =
    &["ByteArray", "Double", "Float", "Integer", "Long", "Short", "String", "UUID"];

/// How records are printed.
#[derive(Debug)]
pub(crate) struct Formatter {
    printing: Printing,
    timestamp: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_class: Class,
    value_class: Class,
    headers_class: Class,
}

/// How bytes are read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    /// As they are.
    Bytes,
    Double,
    Float,
    Integer,
    Long,
    Short,
    Uuid,
}

impl Formatter {
    /// A formatter by its properties; those that it does not know are left alone.
    pub(crate) fn new(properties: &[(String, String)]) -> Result<Formatter, Failure> {
        let mut formatter = Formatter {
            printing: Printing::Lines,
            timestamp: false,
            partition: false,
            offset: false,
            delivery: false,
            epoch: false,
            headers: false,
            key: false,
            value: true,
            key_separator: b"\t".to_vec(),
            line_separator: b"\n".to_vec(),
            headers_separator: b",".to_vec(),
            null_literal: b"null".to_vec(),
            key_class: Class::Bytes,
            value_class: Class::Bytes,
            headers_class: Class::Bytes,
        };
        for (key, value) in properties {
            let is_true = value.trim().eq_ignore_ascii_case("true");
            let bytes = value.as_bytes().to_vec();
            match key.as_str() {
                "print.timestamp" => formatter.timestamp = is_true,
                "print.partition" => formatter.partition = is_true,
                "print.offset" => formatter.offset = is_true,
                "print.delivery" => formatter.delivery = is_true,
                "print.epoch" => formatter.epoch = is_true,
                "print.headers" => formatter.headers = is_true,
                "print.key" => formatter.key = is_true,
                "print.value" => formatter.value = is_true,
                "key.separator" => formatter.key_separator = bytes,
                "line.separator" => formatter.line_separator = bytes,
                "headers.separator" => formatter.headers_separator = bytes,
                "null.literal" => formatter.null_literal = bytes,
                "key.deserializer" => formatter.key_class = class(value)?,
                "value.deserializer" => formatter.value_class = class(value)?,
                "headers.deserializer" => formatter.headers_class = class(value)?,
                _ => (),
            }
        }
        Ok(formatter)
    }

    /// The same for what another class prints.
    pub(crate) fn of(mut self, printing: Printing) -> Formatter {
        self.printing = printing;
        self
    }

    /// What is printed of a record.
    pub(crate) fn bytes(&self, from: &ConsumerRecord) -> Result<Vec<u8>, Failure> {
        match self.printing {
            Printing::Nothing => Ok(Vec::new()),
            Printing::Lines => self.line(from),
            Printing::Logged => {
                let text = |bytes: &Option<Bytes>| match bytes {
                    Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    None => "null".to_owned(),
                };
                let (key, value) = (text(&from.record.key), text(&from.record.value));
                tracing::info!("{}, key:{key}, value:{value}", timestamp(from));
                self.line(from)
            }
            Printing::Records(names) => {
                let json = printing::json(names, &from.record)?;
                Ok(json.map(String::into_bytes).unwrap_or_default())
            }
        }
    }

    fn line(&self, from: &ConsumerRecord) -> Result<Vec<u8>, Failure> {
        let record = &from.record;
        let mut columns: Vec<Vec<u8>> = Vec::new();
        if self.timestamp {
            columns.push(timestamp(from).into_bytes());
        }
        if self.partition {
            columns.push(format!("Partition:{}", from.of.partition).into_bytes());
        }
        if self.offset {
            columns.push(format!("Offset:{}", record.offset).into_bytes());
        }
        if self.delivery {
            let count = from.delivery_count.map(|count| count.to_string());
            let count = count.unwrap_or_else(|| "NOT_PRESENT".to_owned());
            columns.push(format!("Delivery:{count}").into_bytes());
        }
        if self.epoch {
            // Apache Kafka's tool drops the epoch before it prints.
            columns.push(b"Epoch:NOT_PRESENT".to_vec());
        }
        if self.headers {
            let mut headers = Vec::new();
            for (key, value) in &record.headers {
                let mut header = key.as_bytes().to_vec();
                header.push(b':');
                header.extend(self.text(self.headers_class, value.as_deref())?);
                headers.push(header);
            }
            columns.push(match headers.is_empty() {
                true => b"NO_HEADERS".to_vec(),
                false => headers.join(self.headers_separator.as_slice()),
            });
        }
        if self.key {
            columns.push(self.text(self.key_class, record.key.as_deref())?);
        }
        if self.value {
            columns.push(self.text(self.value_class, record.value.as_deref())?);
        }
        let mut line = columns.join(self.key_separator.as_slice());
        line.extend_from_slice(&self.line_separator);
        Ok(line)
    }

    fn text(&self, class: Class, bytes: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
        let Some(bytes) = bytes else { return Ok(self.null_literal.clone()) };
        let text = match class {
            Class::Bytes => return Ok(bytes.to_vec()),
            Class::Double => {
                bytes.try_into().ok().map(f64::from_be_bytes).map(|n| format!("{n:?}"))
            }
            Class::Float => bytes.try_into().ok().map(f32::from_be_bytes).map(|n| format!("{n:?}")),
            Class::Integer => bytes.try_into().ok().map(i32::from_be_bytes).map(|n| n.to_string()),
            Class::Long => bytes.try_into().ok().map(i64::from_be_bytes).map(|n| n.to_string()),
            Class::Short => bytes.try_into().ok().map(i16::from_be_bytes).map(|n| n.to_string()),
            // Its bytes are the text of a UUID already.
            Class::Uuid => std::str::from_utf8(bytes).ok().map(String::from),
        };
        text.map(String::into_bytes).ok_or_else(|| {
            let length = bytes.len();
            Failure::said(format!("{class:?}Deserializer cannot read {length} bytes"))
        })
    }
}

fn timestamp(from: &ConsumerRecord) -> String {
    let at = from.record.timestamp;
    if at.0 < 0 {
        return "NO_TIMESTAMP".to_string();
    }
    match from.timestamp_type {
        TimestampType::CreateTime => format!("CreateTime:{at}"),
        TimestampType::LogAppendTime => format!("LogAppendTime:{at}"),
    }
}

fn class(name: &str) -> Result<Class, Failure> {
    let last = name.trim().rsplit('.').next().unwrap_or_default();
    Ok(match last.strip_suffix("Deserializer").unwrap_or(last) {
        "ByteArray" | "String" | "" => Class::Bytes,
        "Double" => Class::Double,
        "Float" => Class::Float,
        "Integer" => Class::Integer,
        "Long" => Class::Long,
        "Short" => Class::Short,
        "UUID" => Class::Uuid,
        _ => {
            let classes = CLASSES.join(", ");
            return Err(Failure::said(format!(
                "{name} is not served: a deserializer in Java cannot run here; there are {classes}"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use ottla_client::TopicPartition;
    use ottla_records::Record;
    use ottla_wire::{LeaderEpoch, Offset, PartitionIndex, Timestamp};

    use super::*;

    fn check(properties: &[&str], expect: &str) {
        let record = |key: Option<&'static [u8]>, headers| ConsumerRecord {
            of: TopicPartition { topic: "t".into(), partition: PartitionIndex(3) },
            record: Record {
                offset: Offset(7),
                timestamp: Timestamp(1_795_251_916_844),
                key: key.map(Bytes::from_static),
                value: Some(Bytes::from_static(b"value 2")),
                headers,
            },
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: LeaderEpoch(0),
            delivery_count: None,
        };
        let headers = vec![("h1".into(), Some(Bytes::from_static(b"v1"))), ("h2".into(), None)];
        let properties = crate::client_options::pairs(properties);
        let formatter = Formatter::new(&properties).unwrap();
        let mut text = Vec::new();
        for record in [record(Some(b"k2"), headers), record(None, vec![])] {
            text.extend(formatter.bytes(&record).unwrap());
        }
        assert_eq!(String::from_utf8(text).unwrap(), expect);
    }

    #[test]
    fn a_record_is_its_value_unless_more_is_asked_for() {
        check(&[], "value 2\nvalue 2\n");
        check(
            &["print.key=true", "key.separator=:", "line.separator=|", "null.literal=NIL"],
            "k2:value 2|NIL:value 2|",
        );
    }

    #[test]
    fn columns_stand_in_the_order_of_apache_kafkas_tool() {
        let all = [
            "print.value=false",
            "print.key=true",
            "print.headers=true",
            "print.epoch=true",
            "print.delivery=true",
            "print.offset=true",
            "print.partition=true",
            "print.timestamp=TRUE",
        ];
        let lead = "CreateTime:1795251916844\tPartition:3\tOffset:7\tDelivery:NOT_PRESENT\t\
                    Epoch:NOT_PRESENT";
        check(&all, &format!("{lead}\th1:v1,h2:null\tk2\n{lead}\tNO_HEADERS\tnull\n"));
    }

    #[test]
    fn numbers_are_read_by_their_deserializers() {
        let long = "org.apache.kafka.common.serialization.LongDeserializer";
        let formatter = Formatter::new(&[("value.deserializer".into(), long.into())]).unwrap();
        let text = formatter.text(formatter.value_class, Some(&5i64.to_be_bytes())).unwrap();
        assert_eq!(text, b"5");
        assert!(formatter.text(formatter.value_class, Some(b"12345")).is_err());
        assert!(class("com.example.Mine").is_err());
    }
}
