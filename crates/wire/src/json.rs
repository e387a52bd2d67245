//! Kafka's JSON form of a message, as its dump tools and request logs print it.
//!
//! Names, order and spelling are those of Kafka's JSON converters: tagged fields only when set,
//! bytes as base64, ids as text. Records are empty in dumps, and in logs their size, under
//! `<name>SizeInBytes`.

use std::fmt::Write;

use crate::records::Records;
use crate::schema::{FieldInfo, StructInfo};
use crate::tags::UnknownTags;
use crate::uuid::Uuid;
use crate::walk::Visitor;

/// Collects the JSON text of what it visits.
#[derive(Debug, Default)]
pub struct Json {
    text: String,
    field: Option<&'static FieldInfo>,
    sizes: bool,
}

impl Json {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing yet; records will be shown by their size.
    pub fn with_sizes() -> Self {
        Self { sizes: true, ..Self::default() }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.text
    }

    fn comma(&mut self) {
        if !self.text.ends_with(['{', '[']) && !self.text.is_empty() {
            self.text.push(',');
        }
    }

    /// The name of the field that is due.
    fn name(&mut self, suffix: &str) {
        if let Some(field) = self.field.take() {
            self.comma();
            let _ = write!(self.text, "\"{}{suffix}\":", field.name);
        }
    }

    fn raw(&mut self, text: &str) {
        self.name("");
        self.text.push_str(text);
    }

    fn show(&mut self, value: impl std::fmt::Display) {
        self.name("");
        let _ = write!(self.text, "{value}");
    }
}

impl Visitor for Json {
    fn field(&mut self, field: &'static FieldInfo, _: bool) {
        self.field = Some(field);
    }

    fn null(&mut self) {
        self.raw("null");
    }

    fn bool(&mut self, value: bool) {
        self.show(value);
    }

    fn int(&mut self, value: i64, _: usize) {
        self.show(value);
    }

    fn float(&mut self, value: f64) {
        let text = double(value);
        self.raw(&text);
    }

    fn uuid(&mut self, value: Uuid) {
        self.name("");
        let _ = write!(self.text, "\"{value}\"");
    }

    fn text(&mut self, value: &str) {
        self.name("");
        quote(&mut self.text, value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.name("");
        self.text.push('"');
        base64(&mut self.text, value);
        self.text.push('"');
    }

    fn records(&mut self, value: &Records) {
        if self.sizes {
            self.name("SizeInBytes");
            let _ = write!(self.text, "{}", value.len());
        } else {
            self.raw("\"\"");
        }
    }

    fn begin_array(&mut self, _: usize) {
        self.raw("[");
    }

    fn element(&mut self) {
        self.comma();
    }

    fn end_array(&mut self) {
        self.text.push(']');
    }

    fn begin_struct(&mut self, _: &'static StructInfo) {
        self.raw("{");
    }

    fn end_struct(&mut self, _: &'static StructInfo, _: Option<&UnknownTags>) {
        self.text.push('}');
    }
}

/// Appends the text between quotes.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends the bytes as base64 with padding.
fn base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place) & 0x3f) as usize];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
}

/// The number as Java prints a double: a point always, an exponent outside of 1e-3 to 1e7.
fn double(value: f64) -> String {
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "Infinity" };
        let sign = if value == f64::NEG_INFINITY { "-" } else { "" };
        return format!("\"{sign}{name}\"");
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        Some((digits, exponent)) => format!("{digits}E{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_spelled_as_java_spells_them() {
        let cases = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ];
        for (value, text) in cases {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn texts_and_bytes_are_escaped() {
        let mut json = Json::new();
        json.text("a\"\\\n\u{1f}é");
        assert_eq!(json.into_text(), "\"a\\\"\\\\\\n\\u001Fé\"");
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            let mut out = String::new();
            base64(&mut out, bytes.as_bytes());
            assert_eq!(out, text);
        }
    }
}
