//! JSON of arguments: one type for each kind, whatever the value, and no digit lost to a reader that has only doubles.
//!
//! dd-trace-js #347, jaeger-ui #973: identifiers beyond 2^53 were rounded by JavaScript.

mod common;

use common::{Site, file, irqlog, payload, with_site};
use irqlog_wire::event::ArgumentKind as Kind;
use serde_json::Value;

/// The arguments that `decode --json` shows for one event.
fn arguments(name: &str, kinds: &[Kind], values: &[u8]) -> Vec<Value> {
    let site = Site { provider: "p", format: "f", file: "f.rs", arguments: kinds.len() as u8 };
    let image = file(&format!("json-{name}.irqlog"), &with_site(&site, &[payload(kinds, values)]));
    let output = irqlog(["decode", "--json", image.to_str().unwrap()]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    object["arguments"].as_array().unwrap().clone()
}

/// Which JSON type a value has; null counts as the number that it stands for.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null | Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn each_kind_has_one_type_whatever_its_value() {
    let kinds = [
        Kind::U8,
        Kind::U16,
        Kind::U32,
        Kind::U64,
        Kind::U128,
        Kind::Usize,
        Kind::I8,
        Kind::I16,
        Kind::I32,
        Kind::I64,
        Kind::I128,
        Kind::Isize,
        Kind::Bool,
        Kind::Char,
        Kind::F32,
        Kind::F64,
        Kind::Pointer,
        Kind::Status,
        Kind::Guid,
        Kind(99),
    ];
    for kind in kinds {
        let patterns = [0_u128, 1, 1 << 63, u128::MAX, 0x7ff8 << 48, 0x7fc0_0000, 0x7f80_0000, 0xc000_0001, 1 << 100];
        let values = patterns.map(|bits| {
            let bytes = &bits.to_le_bytes()[..8 * kind.words()];
            arguments(&kind.0.to_string(), &[kind], bytes)[0].clone()
        });
        let types =
            values.each_ref().map(|argument| (kind_of(&argument["value"]), argument.get("value_exact").is_some()));
        assert!(types.iter().all(|one| *one == types[0]), "{kind:?}: {values:?}");
    }
}

#[test]
fn no_digit_is_lost() {
    let wide = |kind, bits: u128| arguments("wide", &[kind], &bits.to_le_bytes()[..8 * kind.words()])[0].clone();
    for (kind, bits, exact) in [
        (Kind::U64, u128::from(u64::MAX), "18446744073709551615"),
        (Kind::Usize, (1 << 53) + 1, "9007199254740993"),
        (Kind::I64, 1 << 63, "-9223372036854775808"),
        (Kind::U128, u128::MAX, "340282366920938463463374607431768211455"),
        (Kind::U128, 7, "7"),
        (Kind::I128, 1 << 127, "-170141183460469231731687303715884105728"),
        (Kind::F32, u128::from(0.1_f32.to_bits()), "0.1"),
        (Kind::F64, u128::from(f64::NAN.to_bits()), "NaN"),
        (Kind::F64, u128::from((-0.0_f64).to_bits()), "-0"),
        (Kind::F64, u128::from(f64::NEG_INFINITY.to_bits()), "-inf"),
    ] {
        assert_eq!(wide(kind, bits)["value_exact"], exact, "{kind:?}");
    }
    assert_eq!(wide(Kind::U32, 7), serde_json::json!({ "type": "u32", "value": 7 }));
}

/// What is no argument has its digits as text only where they are needed.
#[test]
fn fields_beyond_two_to_the_53_have_their_text_beside_them() {
    let mut late = common::record(irqlog_wire::record::Kind::Text, u64::MAX - 1, 0, b"late");
    late.header.tick.set((1 << 53) + 1);
    let early = common::record(irqlog_wire::record::Kind::Text, 0, 0, b"early");
    for (record, tick) in [(late, Some("9007199254740993")), (early, None)] {
        let image = file("json-large.irqlog", &common::with_records(&common::tables(), vec![record]));
        let output = irqlog(["decode", "--json", image.to_str().unwrap()]);
        let text = String::from_utf8(output.stdout).unwrap();
        let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let object = objects.iter().find(|object| object.get("tick").is_some()).unwrap();
        assert_eq!(object.get("tick_exact").and_then(Value::as_str), tick);
        assert_eq!(object.get("seq_exact").is_some(), tick.is_some());
    }
}
