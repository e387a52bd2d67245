//! Lines to records: `headers<TAB>key<TAB>value`, as far as headers and keys are asked for.
//!
//! Lines are bytes: what is no UTF-8 arrives as it is. Not here: where lines come from.

use ottla_wire::{Bytes, StrBytes};

use crate::failure::Failure;

/// The keys of the reader with their defaults, for `--help`.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("parse.key", "false"),
    ("key.separator", "\\t"),
    ("parse.headers", "false"),
    ("headers.delimiter", "\\t"),
    ("headers.separator", ","),
    ("headers.key.separator", ":"),
    ("ignore.error", "false"),
    ("null.marker", ""),
];

/// How lines are read, and how many were.
#[derive(Debug)]
pub(super) struct Reader {
    parse_key: bool,
    key_separator: Vec<u8>,
    parse_headers: bool,
    headers_delimiter: Vec<u8>,
    headers_separator: Vec<u8>,
    headers_key_separator: Vec<u8>,
    ignore_error: bool,
    null_marker: Option<Vec<u8>>,
    line_number: u64,
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<(StrBytes, Option<Bytes>)>,
}

impl Reader {
    /// A reader by its properties; those that it does not know are left alone.
    pub(super) fn new(properties: &[(String, String)]) -> Result<Reader, Failure> {
        let mut reader = Reader {
            parse_key: false,
            key_separator: b"\t".to_vec(),
            parse_headers: false,
            headers_delimiter: b"\t".to_vec(),
            headers_separator: b",".to_vec(),
            headers_key_separator: b":".to_vec(),
            ignore_error: false,
            null_marker: None,
            line_number: 0,
        };
        for (key, value) in properties {
            let is_true = value.trim().eq_ignore_ascii_case("true");
            let bytes = value.as_bytes().to_vec();
            match key.as_str() {
                "parse.key" => reader.parse_key = is_true,
                "key.separator" => reader.key_separator = bytes,
                "parse.headers" => reader.parse_headers = is_true,
                "headers.delimiter" => reader.headers_delimiter = bytes,
                "headers.separator" => reader.headers_separator = bytes,
                "headers.key.separator" => reader.headers_key_separator = bytes,
                "ignore.error" => reader.ignore_error = is_true,
                "null.marker" => reader.null_marker = Some(bytes),
                _ => (),
            }
        }
        reader.check()?;
        Ok(reader)
    }

    /// Refuses separators that could not be told apart.
    fn check(&self) -> Result<(), Failure> {
        let named = [
            ("key.separator", &self.key_separator),
            ("headers.delimiter", &self.headers_delimiter),
            ("headers.separator", &self.headers_separator),
            ("headers.key.separator", &self.headers_key_separator),
        ];
        for (at, (name, separator)) in named.iter().enumerate() {
            if separator.is_empty() {
                return Err(Failure::said(format!("{name} may not be empty")));
            }
            if Some(*separator) == self.null_marker.as_ref() {
                return Err(Failure::said(format!("null.marker and {name} may not be equal")));
            }
            // The delimiter of headers and the separator of keys are a tab both.
            let mut others = named.iter().skip(at + 1).filter(|_| at > 0);
            if let Some((other, _)) = others.find(|(_, other)| other == separator) {
                return Err(Failure::said(format!("{name} and {other} may not be equal")));
            }
        }
        Ok(())
    }

    /// Reads one line.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Read, Failure> {
        self.line_number += 1;
        let mut rest = line;
        let headers = match self.parse_headers {
            true => self.cut(line, &mut rest, &self.headers_delimiter, "headers delimiter")?,
            false => None,
        };
        let key = match self.parse_key {
            true => self.cut(line, &mut rest, &self.key_separator, "key separator")?,
            false => None,
        };
        let headers = match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.headers(headers)?,
            None => Vec::new(),
        };
        Ok(Read { key: key.and_then(|key| self.bytes(key)), value: self.bytes(rest), headers })
    }

    /// What stands before the separator; `rest` goes behind it.
    fn cut<'a>(
        &self,
        line: &[u8],
        rest: &mut &'a [u8],
        separator: &[u8],
        name: &str,
    ) -> Result<Option<&'a [u8]>, Failure> {
        match split(rest, separator) {
            Some((before, behind)) => {
                *rest = behind;
                Ok(Some(before))
            }
            None if self.ignore_error => Ok(None),
            None => Err(Failure::said(format!(
                "No {name} found on line number {}: '{}'",
                self.line_number,
                String::from_utf8_lossy(line)
            ))),
        }
    }

    fn headers(&self, text: &[u8]) -> Result<Vec<(StrBytes, Option<Bytes>)>, Failure> {
        let mut headers = Vec::new();
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (pair, behind) = match split(text, &self.headers_separator) {
                Some((pair, behind)) => (pair, Some(behind)),
                None => (text, None),
            };
            rest = behind;
            let (key, value) = match split(pair, &self.headers_key_separator) {
                Some((key, value)) => (key, self.bytes(value)),
                None if self.ignore_error => (pair, None),
                None => {
                    return Err(Failure::said(format!(
                        "No header key separator found in pair '{}' on line number {}",
                        String::from_utf8_lossy(pair),
                        self.line_number
                    )));
                }
            };
            let name = String::from_utf8_lossy(key);
            if self.is_null(key) {
                return Err(Failure::said(format!(
                    "Header keys should not be equal to the null marker '{name}' as they can't be \
                     null"
                )));
            }
            headers.push((StrBytes::copied(&name), value));
        }
        Ok(headers)
    }

    fn is_null(&self, bytes: &[u8]) -> bool {
        self.null_marker.as_deref() == Some(bytes)
    }

    fn bytes(&self, bytes: &[u8]) -> Option<Bytes> {
        (!self.is_null(bytes)).then(|| Bytes::copy_from_slice(bytes))
    }
}

/// What stands before the first separator, and what behind it.
fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(properties: &[&str], line: &str, expect: &str) {
        let properties = crate::client_options::pairs(properties);
        let text = |bytes: Option<Bytes>| match bytes {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => "null".to_string(),
        };
        let said = match Reader::new(&properties)
            .and_then(|mut reader| reader.read(line.as_bytes()))
        {
            Ok(read) => {
                let headers =
                    read.headers.into_iter().map(|(key, value)| format!("{key}={}|", text(value)));
                let headers: String = headers.collect();
                format!("{headers}{} -> {}", text(read.key), text(read.value))
            }
            Err(failure) => failure.to_string(),
        };
        assert_eq!(said, expect, "{line}");
    }

    #[test]
    fn a_line_is_a_value_unless_more_is_asked_for() {
        check(&[], "a\tb", "null -> a\tb");
        check(&["parse.key=true"], "a\tb\tc", "a -> b\tc");
        check(&["parse.key=true", "key.separator=::"], "a::b", "a -> b");
        check(&["parse.key=true", "parse.headers=true"], "h1:a,h2:b\tk\tv", "h1=a|h2=b|k -> v");
        check(&["parse.headers=true"], "h1:a\tv", "h1=a|null -> v");
    }

    #[test]
    fn the_marker_of_null_stands_for_keys_values_and_headers() {
        let null = ["parse.key=true", "parse.headers=true", "null.marker=N"];
        check(&null, "N\tN\tN", "null -> null");
        check(&null, "h:N\tk\t", "h=null|k -> ");
        check(
            &null,
            "N:a\tk\tv",
            "Header keys should not be equal to the null marker 'N' as they can't be null",
        );
        check(&["null.marker=:"], "", "null.marker and headers.key.separator may not be equal");
    }

    #[test]
    fn what_is_missing_is_named_or_passed_over() {
        check(&["parse.key=true"], "k-v", "No key separator found on line number 1: 'k-v'");
        check(&["parse.key=true", "ignore.error=true"], "k-v", "null -> k-v");
        check(
            &["parse.headers=true"],
            "h\tv",
            "No header key separator found in pair 'h' on line number 1",
        );
        check(&["parse.headers=true", "ignore.error=true"], "h\tv", "h=null|null -> v");
    }

    #[test]
    fn separators_of_headers_differ() {
        check(
            &["headers.separator=:"],
            "",
            "headers.separator and headers.key.separator may not be equal",
        );
    }
}
