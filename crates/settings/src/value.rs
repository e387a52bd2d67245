//! Values and their types: how a text becomes a value and a value a text, as Kafka does it.
//!
//! Not here: which values are allowed (valid.rs).
//! Must hold: a password shows itself to nobody who merely prints it.

use std::fmt;

/// The type of a config. The discriminant is its number in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean = 1,
    /// Text without blanks at its ends.
    String = 2,
    /// A whole number of 32 bits.
    Int = 3,
    /// A whole number of 16 bits.
    Short = 4,
    /// A whole number of 64 bits.
    Long = 5,
    /// A number.
    Double = 6,
    /// Texts parted by commas.
    List = 7,
    /// The name of a class.
    Class = 8,
    /// Text that is not shown.
    Password = 9,
}

impl Kind {
    /// Kafka's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Int => "INT",
            Kind::Short => "SHORT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        }
    }
}

/// Text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The text itself, for the one who needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The name of a class of Java, or of what takes its place here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassName(pub String);

/// The value of a config.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// See [`Kind::Boolean`].
    Boolean(bool),
    /// See [`Kind::String`].
    Text(String),
    /// See [`Kind::Int`].
    Int(i32),
    /// See [`Kind::Short`].
    Short(i16),
    /// See [`Kind::Long`].
    Long(i64),
    /// See [`Kind::Double`].
    Double(f64),
    /// See [`Kind::List`].
    List(Vec<String>),
    /// See [`Kind::Class`].
    Class(ClassName),
    /// See [`Kind::Password`].
    Password(Password),
}

impl Value {
    /// Reads a text as Kafka does: blanks at its ends are no part of it.
    pub(crate) fn parse(kind: Kind, text: &str) -> Option<Value> {
        let text = text.trim_matches(|c: char| c <= ' ');
        Some(match kind {
            Kind::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Kind::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Kind::Boolean => return None,
            Kind::String => Value::Text(text.to_string()),
            Kind::Int => Value::Int(text.parse().ok()?),
            Kind::Short => Value::Short(text.parse().ok()?),
            Kind::Long => Value::Long(text.parse().ok()?),
            Kind::Double => Value::Double(double(text)?),
            Kind::List => Value::List(list(text)),
            Kind::Class => Value::Class(ClassName(text.to_string())),
            Kind::Password => Value::Password(Password(text.to_string())),
        })
    }

    /// The value as a whole number, where it is one.
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(i64::from(*number)),
            Value::Short(number) => Some(i64::from(*number)),
            Value::Long(number) => Some(*number),
            _ => None,
        }
    }
}

/// As DescribeConfigs shows it: lists joined by commas, numbers as Java prints them.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(yes) => write!(f, "{yes}"),
            Value::Text(text) => f.write_str(text),
            Value::Int(number) => write!(f, "{number}"),
            Value::Short(number) => write!(f, "{number}"),
            Value::Long(number) => write!(f, "{number}"),
            Value::Double(number) => f.write_str(&java_double(*number)),
            Value::List(items) => f.write_str(&items.join(",")),
            Value::Class(ClassName(name)) => f.write_str(name),
            Value::Password(_) => f.write_str("[hidden]"),
        }
    }
}

/// Splits a list as Kafka does: blanks around commas go, and an empty text has no items.
pub fn list(text: &str) -> Vec<String> {
    let text = text.trim_matches(|c: char| c <= ' ');
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim_matches(|c: char| c <= ' ').to_string()).collect()
}

/// Java also takes a number that says it is a float or a double.
fn double(text: &str) -> Option<f64> {
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let spelled = ["NaN", "Infinity", "+Infinity", "-Infinity"].contains(&text);
    let plain = digits.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    if spelled { text.parse().ok() } else { digits.parse().ok().filter(|_| plain) }
}

/// A number as Java prints a double: plain from a thousandth to ten millions, else with an `E`.
fn java_double(number: f64) -> String {
    let size = number.abs();
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    if number.is_nan() || size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// A type that a block's field may have.
pub(crate) trait Field {
    const KIND: Kind;

    /// The field of a value of that type; something empty where there is none.
    fn of(value: Option<Value>) -> Self;
}

macro_rules! field {
    ($kind:ident, $type:ty, $variant:ident, $empty:expr) => {
        impl Field for $type {
            const KIND: Kind = Kind::$kind;

            fn of(value: Option<Value>) -> $type {
                match value {
                    Some(Value::$variant(value)) => value,
                    _ => $empty,
                }
            }
        }

        impl Field for Option<$type> {
            const KIND: Kind = Kind::$kind;

            fn of(value: Option<Value>) -> Option<$type> {
                value.is_some().then(|| <$type as Field>::of(value))
            }
        }
    };
}

field!(Boolean, bool, Boolean, false);
field!(String, String, Text, String::new());
field!(Int, i32, Int, 0);
field!(Short, i16, Short, 0);
field!(Long, i64, Long, 0);
field!(Double, f64, Double, 0.0);
field!(List, Vec<String>, List, Vec::new());
field!(Class, ClassName, Class, ClassName(String::new()));
field!(Password, Password, Password, Password(String::new()));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (number, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (2_147_483_647.0, "2.147483647E9"),
            (f64::MAX, "1.7976931348623157E308"),
            (0.0001, "1.0E-4"),
        ] {
            assert_eq!(java_double(number), text);
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let value = Value::parse(Kind::Password, "secret").expect("any text is a password");
        assert_eq!((format!("{value}"), format!("{value:?}")), {
            ("[hidden]".to_string(), "Password([hidden])".to_string())
        });
    }
}
