//! What goes into a statement and what comes out of a row.

/// An argument of a statement, in the few types that both engines share. Booleans go in as 0 and 1, times as unix ms.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// `args![id, name]`: the arguments `$1`, `$2` of a statement.
#[macro_export]
macro_rules! args {
    () => { &[] as &[$crate::store::Value] };
    ($($value:expr),+ $(,)?) => { &[$($crate::store::Value::from($value)),+] as &[$crate::store::Value] };
}

macro_rules! value_from {
    ($($from:ty => |$value:ident| $into:expr),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Value {
                $into
            }
        })+
    };
}

value_from! {
    i64 => |value| Value::Int(value),
    i32 => |value| Value::Int(value.into()),
    u32 => |value| Value::Int(value.into()),
    u16 => |value| Value::Int(value.into()),
    u8 => |value| Value::Int(value.into()),
    bool => |value| Value::Int(value.into()),
    f64 => |value| Value::Real(value),
    &str => |value| Value::Text(value.to_owned()),
    String => |value| Value::Text(value),
    &String => |value| Value::Text(value.clone()),
    &[u8] => |value| Value::Bytes(value.to_vec()),
    Vec<u8> => |value| Value::Bytes(value),
    &Vec<u8> => |value| Value::Bytes(value.clone()),
    // Counts and sizes; nothing real comes near the bound.
    u64 => |value| Value::Int(i64::try_from(value).unwrap_or(i64::MAX)),
    usize => |value| Value::Int(i64::try_from(value).unwrap_or(i64::MAX)),
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Value {
        Value::Bytes(value.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Value {
        Value::Bytes(value.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// A column of a row as its engine gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Cell<'_> {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Cell::Null => "NULL",
            Cell::Int(_) => "an integer",
            Cell::Real(_) => "a floating-point number",
            Cell::Text(_) => "text",
            Cell::Bytes(_) => "bytes",
        }
    }
}

/// A type that a column can be read as; `None` when the column holds something else.
pub trait FromValue: Sized {
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

macro_rules! integer_from_value {
    ($($into:ty),+) => {
        $(impl FromValue for $into {
            fn from_cell(cell: Cell<'_>) -> Option<$into> {
                match cell {
                    Cell::Int(value) => value.try_into().ok(),
                    _ => None,
                }
            }
        })+
    };
}

integer_from_value!(i64, i32, u64, u32, u16, u8, usize);

impl FromValue for bool {
    fn from_cell(cell: Cell<'_>) -> Option<bool> {
        match cell {
            Cell::Int(value) => Some(value != 0),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_cell(cell: Cell<'_>) -> Option<f64> {
        match cell {
            Cell::Real(value) => Some(value),
            // SQLite answers whole results of arithmetic as integers.
            Cell::Int(value) => Some(value as f64),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_cell(cell: Cell<'_>) -> Option<String> {
        match cell {
            Cell::Text(value) => Some(value.to_owned()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Option<Vec<u8>> {
        match cell {
            Cell::Bytes(value) => Some(value.to_vec()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Option<T>> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

/// Whatever it is, for what copies rows without knowing them.
impl FromValue for Value {
    fn from_cell(cell: Cell<'_>) -> Option<Value> {
        Some(match cell {
            Cell::Null => Value::Null,
            Cell::Int(value) => Value::Int(value),
            Cell::Real(value) => Value::Real(value),
            Cell::Text(value) => Value::Text(value.to_owned()),
            Cell::Bytes(value) => Value::Bytes(value.to_vec()),
        })
    }
}
