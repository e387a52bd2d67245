//! Records of coordinators' logs that Apache Kafka wrote: golden files, and inputs for fuzzing.
//!
//! For tests. Not here: what a record says, which its crate knows. Must hold: an input that was
//! made of a key and a value gives them again.

/// A record: its name in the golden file, its key and its value.
pub type GoldenRecord = (&'static str, Vec<u8>, Option<Vec<u8>>);

/// The records of a golden file, whose lines are a name, the key and the value in hexadecimal
/// digits; `-`, or nothing, stands for no value.
pub fn golden_records(text: &'static str) -> Vec<GoldenRecord> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let records = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, key) = (words.next()?, words.next()?);
        let value = words.next().filter(|value| *value != "-");
        Some((name, unhex(key), value.map(unhex)))
    });
    records.collect()
}

/// Golden records as inputs: the length of the key, the key, the value.
pub fn record_inputs(records: Vec<GoldenRecord>) -> Vec<Vec<u8>> {
    let inputs = records.into_iter().map(|(_, key, value)| {
        let mut input = vec![u8::try_from(key.len()).unwrap_or(u8::MAX)];
        input.extend(key);
        input.extend(value.unwrap_or_default());
        input
    });
    inputs.collect()
}

/// The key and the value in an input; an empty value is none.
pub fn key_and_value(input: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (&split, rest) = input.split_first()?;
    let (key, value) = rest.split_at(usize::from(split).min(rest.len()));
    Some((key, Some(value).filter(|value| !value.is_empty())))
}

/// The bytes of a text in hexadecimal digits, as far as it is one.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map_while(|two| {
        let two = std::str::from_utf8(two).ok()?;
        u8::from_str_radix(two, 16).ok()
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_gives_the_record_that_it_was_made_of() {
        let records = golden_records("# a comment\n\none 0001 ff\ntwo 0002 -\nthree 0003\n");
        let told: Vec<_> = records.iter().map(|(name, _, value)| (*name, value.clone())).collect();
        assert_eq!(told, [("one", Some(vec![0xff])), ("two", None), ("three", None)]);
        for ((_, key, value), input) in records.iter().zip(record_inputs(records.clone())) {
            assert_eq!(key_and_value(&input), Some((key.as_slice(), value.as_deref())));
        }
    }
}
