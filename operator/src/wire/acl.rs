//! Reads the reply to `ACL GETUSER`.

use redis::Value;

use super::error::Unreadable;

/// Whether the user is there and on. The reply is nil, or a map (a flat list in RESP2) with the
/// key `flags`; 8.0's and valkey's further flags and keys (`sanitize-payload`, `databases`) do
/// not matter.
pub(super) fn is_on(reply: &Value) -> Result<bool, Unreadable> {
    if matches!(reply, Value::Nil) {
        return Ok(false);
    }
    let bad = || Unreadable::new("a user's flags", &format!("{reply:?}"));
    let mut fields = reply.as_map_iter().ok_or_else(bad)?;
    let (_, flags) = fields
        .find(|(key, _)| is_text(key, "flags"))
        .ok_or_else(bad)?;
    let flags = flags.as_sequence().ok_or_else(bad)?;
    Ok(flags.iter().any(|flag| is_text(flag, "on")))
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
                (text("passwords"), Value::Array(vec![])),
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
                assert_eq!(is_on(&form), Ok(expected), "{flags:?}");
            }
        }
    }

    #[test]
    fn a_user_that_is_not_there_is_not_on() {
        assert_eq!(is_on(&Value::Nil), Ok(false));
    }

    #[test]
    fn what_is_no_user_is_refused() {
        let no_flags = Value::Map(vec![(text("keys"), text("~*"))]);
        let odd = Value::Map(vec![(text("flags"), Value::Int(1))]);
        for value in [Value::Okay, Value::Int(3), text("on"), no_flags, odd] {
            assert!(is_on(&value).is_err(), "{value:?}");
        }
    }
}
