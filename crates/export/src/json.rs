//! Writes JSON, one object on each line, with nothing hidden in it.

use std::borrow::Cow;

use irqlog_reader::untrusted::is_deceptive;
use serde_json::{Map, Value};

/// JSON that escapes, as `\u` and four digits, what a terminal obeys or an eye does not see.
///
/// Outside of strings, JSON has no such character.
pub fn escaped(json: &str) -> Cow<'_, str> {
    // A newline lies between the lines of an object: serde_json escapes those in strings.
    let is_hidden = |character| character != '\n' && is_deceptive(character);
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// The largest integer up to which doubles are exact: beyond it, a reader that keeps numbers as doubles loses digits.
const MAX_SAFE: u64 = 1 << 53;

/// Writes an object as one line. Each integer beyond 2^53 is followed by a field with its digits as text: `tick_exact`.
pub fn line(object: Value) -> String {
    let object = if has_large(&object) { with_exact(object) } else { object };
    escaped(&object.to_string()).into_owned()
}

fn is_large(value: &Value) -> bool {
    value.as_u64().is_some_and(|number| number > MAX_SAFE)
        || value.as_i64().is_some_and(|number| number.unsigned_abs() > MAX_SAFE)
}

fn has_large(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_large),
        Value::Object(fields) => fields.values().any(has_large),
        _ => is_large(value),
    }
}

fn with_exact(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(with_exact).collect(),
        Value::Object(fields) => {
            let mut all = Map::new();
            for (name, field) in fields {
                let exact = is_large(&field).then(|| (format!("{name}_exact"), Value::from(field.to_string())));
                all.insert(name, with_exact(field));
                all.extend(exact);
            }
            Value::Object(all)
        }
        other => other,
    }
}
