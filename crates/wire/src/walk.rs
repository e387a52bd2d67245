//! One walk over a message for all that only looks at it: JSON, `Debug` and size.
//! The walk knows which fields a version shows, the visitor what to do with them.

use crate::records::Records;
use crate::schema::{FieldInfo, StructInfo};
use crate::tags::UnknownTags;
use crate::uuid::Uuid;
use crate::value::Value;

/// Sees a message's fields in the order in which the table has them.
///
/// A field is announced with [`field`](Self::field), then comes its value: one call, or all those
/// between a begin and its end.
pub trait Visitor {
    /// The next value is this field's; `tagged` says that it stands among the tagged fields.
    fn field(&mut self, field: &'static FieldInfo, tagged: bool);
    /// The field is over.
    fn end_field(&mut self, _field: &'static FieldInfo, _tagged: bool) {}
    /// A null.
    fn null(&mut self);
    /// A truth value.
    fn bool(&mut self, value: bool);
    /// A number of this many bytes.
    fn int(&mut self, value: i64, bytes: usize);
    /// A floating-point number.
    fn float(&mut self, value: f64);
    /// An id.
    fn uuid(&mut self, value: Uuid);
    /// A text.
    fn text(&mut self, value: &str);
    /// Bytes.
    fn bytes(&mut self, value: &[u8]);
    /// Record batches.
    fn records(&mut self, value: &Records);
    /// An array with this many elements.
    fn begin_array(&mut self, len: usize);
    /// The next value is an element.
    fn element(&mut self) {}
    /// The array is over.
    fn end_array(&mut self);
    /// A struct.
    fn begin_struct(&mut self, info: &'static StructInfo);
    /// The struct is over, but for the tagged fields that are not known.
    fn end_struct(&mut self, info: &'static StructInfo, unknown: Option<&UnknownTags>);
}

/// A walk in progress.
pub struct Walk<'a> {
    /// Who looks.
    pub(crate) visitor: &'a mut dyn Visitor,
    /// Only fields of this version; without one, all that are set.
    version: Option<i16>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(visitor: &'a mut dyn Visitor, version: Option<i16>) -> Self {
        Self { visitor, version }
    }

    /// A struct: the fields of `info` have these values.
    pub(crate) fn fields(
        &mut self,
        info: &'static StructInfo,
        values: &[&dyn Value],
        unknown: Option<&UnknownTags>,
    ) {
        self.visitor.begin_struct(info);
        for (field, value) in info.fields.iter().zip(values) {
            let shown = match self.version {
                Some(version) if field.tag.is_some() => {
                    field.versions.contains(version) && !value.is_default(field.default)
                }
                Some(version) => field.versions.contains(version),
                None => !value.is_default(field.default),
            };
            if shown {
                self.visitor.field(field, field.tag.is_some());
                value.show(self);
                self.visitor.end_field(field, field.tag.is_some());
            }
        }
        self.visitor.end_struct(info, unknown);
    }

    pub(crate) fn element(&mut self, value: &dyn Value) {
        self.visitor.element();
        value.show(self);
    }
}
