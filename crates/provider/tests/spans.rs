//! Spans and counters: what a driver writes, and what a reader makes of it.

#![allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]

mod common;

use std::cell::Cell;

use common::{connect, lock, read, set_level, texts};
use irqlog_provider::{Level, counter, disconnect, span};
use irqlog_shown::spans::{SpanEnd, SpanPairs, SpanPart};

/// What the records stand for, and how many spans are open.
fn parts() -> (Vec<Option<SpanPart>>, SpanPairs) {
    let (tables, records) = read();
    let mut pairs = SpanPairs::default();
    let parts = records.iter().map(|record| pairs.part(&tables, record)).collect();
    (parts, pairs)
}

/// Texts of the spans that have ended, in the order of their ends.
fn ended() -> Vec<String> {
    let of = |part: Option<SpanPart>| match part {
        Some(SpanPart::End(SpanEnd::Paired(begin))) => Some(begin.text),
        _ => None,
    };
    parts().0.into_iter().filter_map(of).collect()
}

#[test]
fn a_guard_logs_begin_and_end_with_one_id() {
    let _held = lock();
    connect();
    {
        let (round, name) = (3_u16, "port");
        let _outer = span!(Level::Info, "round {round} of {}", name);
        let _inner = span!(Level::Warn, never_waits, "inner {a:#x} {}", 1_u8, a = 2_u64);
        irqlog_provider::info!("between");
    }
    let texts = texts();
    assert_eq!(&texts[..3], ["round 3 of port", "inner 0x2 1", "between"]);
    assert!(texts[3].starts_with("end of span ") && texts[4].starts_with("end of span ") && texts.len() == 5);
    assert_eq!(ended(), ["test: inner 0x2 1", "test: round 3 of port"]);
    let (_, pairs) = parts();
    assert_eq!((pairs.open(), pairs.without_begin()), (0, 0));
    disconnect();
}

#[test]
fn a_span_that_is_not_written_costs_nothing_and_has_no_end() {
    let _held = lock();
    connect();
    set_level(Level::Warn);
    let evaluated = Cell::new(0);
    let count = || {
        evaluated.set(evaluated.get() + 1);
        evaluated.get()
    };
    drop(span!(Level::Info, "{}", count()));
    counter!("depth", count());
    assert_eq!((evaluated.get(), read().1.len()), (0, 0));
    set_level(Level::Trace);
    // The level is lowered between the two: the reader says that the end is missing.
    let span = span!(Level::Info, "cut {}", count());
    set_level(Level::Error);
    drop(span);
    set_level(Level::Trace);
    let (_, pairs) = parts();
    assert_eq!((texts(), pairs.open()), (vec!["cut 1".to_owned()], 1));
    disconnect();
}

#[test]
fn guards_may_end_in_any_order() {
    let _held = lock();
    connect();
    let (first, second) = (span!(Level::Info, "first"), span!(Level::Info, "second"));
    drop(first);
    drop(second);
    assert_eq!(ended(), ["test: first", "test: second"]);
    disconnect();
}

#[test]
fn a_counter_has_a_name_and_a_value() {
    let _held = lock();
    connect();
    counter!("queue depth", 7_u32);
    counter!(Level::Error, "temperature", -1.5_f64);
    let values: Vec<_> = parts().0.into_iter().flatten().collect();
    let counter = |name: &str, value| SpanPart::Counter { name: format!("test: {name}"), value };
    assert_eq!(values, [counter("queue depth", 7.0), counter("temperature", -1.5)]);
    assert_eq!(texts(), ["queue depth = 7", "temperature = -1.5"]);
    disconnect();
}
