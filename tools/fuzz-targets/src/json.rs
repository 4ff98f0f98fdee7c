//! JSON as irqlog.exe prints it.

use irqlog_export::json;
use serde::Serialize;
use serde_json::Value;

use crate::text::shown;

/// Checks the line that irqlog.exe prints for something: it is one object with the same strings and integers in it, and
/// has no character that a terminal obeys or an eye does not see.
///
/// # Panics
/// If it is not.
pub fn object(value: &impl Serialize) {
    let object = serde_json::to_value(value).expect("what is shown has a JSON form");
    let line = json::line(object.clone());
    shown(&line);
    let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(parsed.is_object() && is_kept(&object, &parsed), "{object} became {line}");
}

/// Whether all that `before` has is in `after` too, which may have fields that are new. Only whether something is a
/// fraction is compared, not its digits.
fn is_kept(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            before.iter().all(|(name, value)| after.get(name).is_some_and(|after| is_kept(value, after)))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| is_kept(before, after))
        }
        (Value::Number(before), Value::Number(after)) if before.is_f64() => after.is_f64(),
        (before, after) => before == after,
    }
}
