//! Reads the reply to `ACL GETUSER`.

use std::collections::BTreeSet;

use redis::Value;

use super::error::Unreadable;

/// A user, as far as it matters. One that is not there is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) is_on: bool,
    /// It takes any password, or none.
    pub(super) needs_no_password: bool,
    /// Of the passwords that it takes.
    pub(super) hashes: BTreeSet<String>,
}

/// Reads it. The reply is nil, or a map (a flat list in RESP2) with the keys `flags` and `passwords`;
/// 8.0's and valkey's further flags and keys (`sanitize-payload`, `databases`) do not matter.
pub(super) fn user(reply: &Value) -> Result<User, Unreadable> {
    if matches!(reply, Value::Nil) {
        return Ok(User::default());
    }
    let flags = list(reply, "flags")?;
    let has = |wanted| flags.iter().any(|flag| is_text(flag, wanted));
    let passwords = list(reply, "passwords")?.iter();
    Ok(User {
        is_on: has("on"),
        needs_no_password: has("nopass"),
        hashes: passwords.filter_map(text_of).collect(),
    })
}

fn list<'a>(reply: &'a Value, name: &str) -> Result<&'a [Value], Unreadable> {
    // what it says of passwords is not shown to anybody
    let bad = || Unreadable::new("a user's flags and passwords", "ACL GETUSER");
    let mut fields = reply.as_map_iter().ok_or_else(bad)?;
    let (_, found) = fields.find(|(key, _)| is_text(key, name)).ok_or_else(bad)?;
    found.as_sequence().ok_or_else(bad)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

fn is_text(value: &Value, wanted: &str) -> bool {
    match value {
        Value::BulkString(bytes) => bytes == wanted.as_bytes(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn reply(flags: &[&str]) -> [Value; 2] {
        let flags: Vec<Value> = flags.iter().map(|flag| text(flag)).collect();
        let fields = |flags: Value| {
            vec![
                (
                    text("passwords"),
                    Value::Array(vec![text("aa"), text("bb")]),
                ),
                (text("flags"), flags),
                (text("commands"), text("-@all +ping +psync +replconf")),
                (text("databases"), text("alldbs")),
            ]
        };
        let resp2 = fields(Value::Array(flags.clone()));
        [
            Value::Map(fields(Value::Set(flags))),
            Value::Array(resp2.into_iter().flat_map(|(k, v)| [k, v]).collect()),
        ]
    }

    #[test]
    fn flags_as_each_engine_sends_them() {
        let cases: [(&[&str], bool); 6] = [
            (&["on", "nopass"], true),                     // redis 7.0, valkey 9.1
            (&["on", "nopass", "sanitize-payload"], true), // redis 8.0, valkey 8.1
            (&["off"], false),                             // redis 7.0, valkey 9.1
            (&["off", "sanitize-payload"], false),         // redis 8.0, valkey 8.1
            (&[], false),
            (&["ongoing"], false),
        ];
        for (flags, expected) in cases {
            for form in reply(flags) {
                let read = user(&form).unwrap();
                assert_eq!(read.is_on, expected, "{flags:?}");
                assert_eq!(read.needs_no_password, flags.contains(&"nopass"));
                assert_eq!(read.hashes.len(), 2);
            }
        }
    }

    #[test]
    fn a_user_that_is_not_there_is_not_on() {
        assert_eq!(user(&Value::Nil), Ok(User::default()));
    }

    #[test]
    fn what_is_no_user_is_refused() {
        let no_flags = Value::Map(vec![(text("keys"), text("~*"))]);
        let odd = Value::Map(vec![(text("flags"), Value::Int(1))]);
        for value in [Value::Okay, Value::Int(3), text("on"), no_flags, odd] {
            assert!(user(&value).is_err(), "{value:?}");
        }
    }
}
