use serde_json::Value;

/// Returns the bytes that signatures are over: canonical JSON (TUF 1.0, 4.2) without blanks, members in
/// the order of their names, only `"` and `\` escaped. None if there is a number with a fraction or an
/// exponent, or beyond 64 bits, which the form does not have.
pub(crate) fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Some(out)
}

/// Recursion ends where the parser's did, at 128 levels.
fn write(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(word) => out.extend(word.to_string().bytes()),
        Value::Number(number) if number.is_f64() => return None,
        Value::Number(number) => out.extend(number.to_string().bytes()),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (item, index) in items.iter().zip(0..) {
                separate(index, out);
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            // In UTF-8, bytes have the order of the characters.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for ((name, value), index) in members.into_iter().zip(0..) {
                separate(index, out);
                write_text(name, out);
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Some(())
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_one_spelling() {
        for (text, expected) in [
            (r#"{ "b" : 1, "a": [true, null, -3] }"#, Some(r#"{"a":[true,null,-3],"b":1}"#)),
            (r#""\u00e9\n\"\\\/""#, Some("\"é\n\\\"\\\\/\"")),
            (r#"{"aa":{},"a":[],"B":""}"#, Some(r#"{"B":"","a":[],"aa":{}}"#)),
            ("18446744073709551615", Some("18446744073709551615")),
            ("1.0", None),
            ("[1e3]", None),
            ("18446744073709551616", None),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let actual = canonical(&value).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(actual.as_deref(), expected, "{text}");
        }
    }
}
