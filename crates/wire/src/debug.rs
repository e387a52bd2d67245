//! `Debug` of every message by the one walk: the fields that are set, in Rust's form.
//! Long bytes are cut, for logs; nothing reads this form back.

use std::fmt::{self, Write};

use crate::records::Records;
use crate::schema::{FieldInfo, StructInfo};
use crate::tags::UnknownTags;
use crate::uuid::Uuid;
use crate::value::Value;
use crate::walk::{Visitor, Walk};

/// Bytes beyond this many are left out.
const BYTES_MAX: usize = 64;

/// Writes the fields that are set.
#[inline(never)]
pub(crate) fn fmt(value: &dyn Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut debug = Debug { text: String::new() };
    value.show(&mut Walk::new(&mut debug, None));
    f.write_str(&debug.text)
}

struct Debug {
    text: String,
}

impl Debug {
    fn comma(&mut self) {
        if !self.text.ends_with(['{', '[']) {
            self.text.push_str(", ");
        }
    }

    fn show(&mut self, value: &dyn fmt::Debug) {
        let _ = write!(self.text, "{value:?}");
    }
}

impl Visitor for Debug {
    fn field(&mut self, field: &'static FieldInfo, _: bool) {
        self.comma();
        self.text.push_str(field.name);
        self.text.push_str(": ");
    }

    fn null(&mut self) {
        self.text.push_str("null");
    }

    fn bool(&mut self, value: bool) {
        self.show(&value);
    }

    fn int(&mut self, value: i64, _: usize) {
        self.show(&value);
    }

    fn float(&mut self, value: f64) {
        self.show(&value);
    }

    fn uuid(&mut self, value: Uuid) {
        self.show(&value);
    }

    fn text(&mut self, value: &str) {
        self.show(&value);
    }

    fn bytes(&mut self, value: &[u8]) {
        let shown = &value[..value.len().min(BYTES_MAX)];
        let _ = write!(self.text, "b\"{}\"", shown.escape_ascii());
        if shown.len() < value.len() {
            let _ = write!(self.text, "... of {} bytes", value.len());
        }
    }

    fn records(&mut self, value: &Records) {
        let _ = write!(self.text, "{} bytes", value.len());
    }

    fn begin_array(&mut self, _: usize) {
        self.text.push('[');
    }

    fn element(&mut self) {
        self.comma();
    }

    fn end_array(&mut self) {
        self.text.push(']');
    }

    fn begin_struct(&mut self, info: &'static StructInfo) {
        self.text.push_str(info.name);
        self.text.push_str(" {");
    }

    fn end_struct(&mut self, _: &'static StructInfo, unknown: Option<&UnknownTags>) {
        if let Some(unknown) = unknown.filter(|unknown| !unknown.is_empty()) {
            self.comma();
            let _ = write!(self.text, "unknown: {unknown:?}");
        }
        self.text.push('}');
    }
}
