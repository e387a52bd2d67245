//! `.kafka_cleanshutdown`: the mark that a log directory was closed in order, and by which
//! incarnation of the broker.
//!
//! Must hold: it is removed before any log is opened, so that it never vouches for a state that
//! came after it.

use ottla_wire::BrokerEpoch;

/// The file's name inside a log directory.
pub const FILE: &str = ".kafka_cleanshutdown";

/// The broker epoch of a mark that names none.
pub const NO_EPOCH: BrokerEpoch = BrokerEpoch(-1);

/// The file's text.
pub fn format(epoch: BrokerEpoch) -> String {
    format!("{{\"version\":0,\"brokerEpoch\":{}}}", epoch.0)
}

/// Reads the broker epoch; a mark without a readable one, as older versions left, answers -1.
pub fn parse(text: &[u8]) -> BrokerEpoch {
    epoch(text).unwrap_or(NO_EPOCH)
}

fn epoch(text: &[u8]) -> Option<BrokerEpoch> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let body = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut version = None;
    let mut epoch = None;
    for field in body.split(',') {
        let (name, value) = field.split_once(':')?;
        let value: i64 = value.trim().parse().ok()?;
        match name.trim() {
            "\"version\"" => version = Some(value),
            "\"brokerEpoch\"" => epoch = Some(value),
            _ => {}
        }
    }
    (version == Some(0)).then_some(())?;
    epoch.map(BrokerEpoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(format(BrokerEpoch(17)), "{\"version\":0,\"brokerEpoch\":17}");
        assert_eq!(parse(format(BrokerEpoch(17)).as_bytes()), BrokerEpoch(17));
        assert_eq!(parse(b"{ \"brokerEpoch\" : 3, \"version\" : 0 }\n"), BrokerEpoch(3));
    }

    #[test]
    fn a_mark_without_a_readable_epoch_answers_minus_one() {
        for odd in
            ["", "{}", "{\"version\":1,\"brokerEpoch\":3}", "{\"version\":0}", "x", "{\"a\"}"]
        {
            assert_eq!(parse(odd.as_bytes()), NO_EPOCH, "{odd}");
        }
        assert_eq!(parse(&[0xff]), NO_EPOCH);
    }
}
