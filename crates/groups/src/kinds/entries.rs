//! What the records of a kind of group say, as a table: a row is the record's type, its key and
//! its value, and the variant that it is here.
//!
//! `entries!` makes the enum and its bytes of the rows. Must hold: what is written is what Kafka
//! 4.3 writes; what is kept holds no slice of a batch.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::{DecodeError, Message, Reader, StrBytes};

use super::KindRecord;
use crate::records::{versioned, with_int16};

/// What a record of one kind of group says.
pub(crate) trait Entry: Sized {
    /// Whether the group is gone with it.
    fn ends_group(&self) -> bool;

    /// The group and the entry of a record of type `number` whose key goes on in `key`; none when
    /// the type is not one of this kind.
    fn decode(
        number: i16,
        key: &mut Reader,
        value: &Option<Bytes>,
    ) -> Result<Option<(StrBytes, Self)>, DecodeError>;

    /// The record's key and value.
    fn encode(&self, group: StrBytes) -> (Bytes, Option<Bytes>);

    /// The record that says it of a group.
    fn of(self, group: StrBytes) -> KindRecord;
}

/// A value as it is kept, and its bytes.
pub(crate) trait Stored: Sized {
    fn read(value: &Bytes) -> Result<Self, DecodeError>;
    fn write(&self) -> Bytes;
}

impl<M: Message> Stored for Arc<M> {
    fn read(value: &Bytes) -> Result<Self, DecodeError> {
        versioned(value.clone()).map(Arc::new)
    }

    fn write(&self) -> Bytes {
        with_int16(0, self.as_ref())
    }
}

/// A value that is not looked into.
impl Stored for Bytes {
    fn read(value: &Bytes) -> Result<Self, DecodeError> {
        Ok(value.clone())
    }

    fn write(&self) -> Bytes {
        self.clone()
    }
}

/// The entries of a kind: `number variant(key[.id]) => value;`, where `id` is the field of the key
/// that tells what of the group the record is about. A group ends with the tombstone of `$end`.
macro_rules! entries {
    (
        $(#[$doc:meta])*
        $entry:ident of $kind:ident, ended by $end:ident {
            $(
                $(#[$row:meta])*
                $number:literal $variant:ident($key:ident $(.$id:ident)?) => $value:ty;
            )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $entry {
            $($(#[$row])* $variant($($crate::kinds::entries!(@type $id),)? Option<$value>),)*
        }

        impl $crate::kinds::Entry for $entry {
            fn ends_group(&self) -> bool {
                matches!(self, $entry::$end(None))
            }

            fn decode(
                number: i16,
                key: &mut ottla_wire::Reader,
                value: &Option<bytes::Bytes>,
            ) -> Result<Option<(ottla_wire::StrBytes, Self)>, ottla_wire::DecodeError> {
                use ottla_wire::Message;
                let value = value.as_ref();
                Ok(Some(match number {
                    $($number => {
                        let key = $key::decode(key, 0)?;
                        let value = value.map($crate::kinds::Stored::read).transpose()?;
                        $(let $id = ottla_wire::StrBytes::copied(&key.$id);)?
                        (key.group_id, $entry::$variant($($id,)? value))
                    })*
                    _ => return Ok(None),
                }))
            }

            fn encode(
                &self,
                group_id: ottla_wire::StrBytes,
            ) -> (bytes::Bytes, Option<bytes::Bytes>) {
                match self {
                    $($entry::$variant($($id,)? value) => {
                        let key = $key { group_id, $($id: $id.clone(),)? };
                        let value = value.as_ref().map($crate::kinds::Stored::write);
                        ($crate::records::with_key($number, &key), value)
                    })*
                }
            }

            fn of(self, group: ottla_wire::StrBytes) -> $crate::kinds::KindRecord {
                $crate::kinds::KindRecord::$kind($crate::kinds::RecordOf { group, entry: self })
            }
        }
    };
    (@type $id:ident) => { ottla_wire::StrBytes };
}

pub(crate) use entries;
