//! JSON: one object a line.

use std::io::{Result, Write};

use irqlog_reader::{
    image::Tables,
    record::{Content, Record},
};
use irqlog_wire::{
    image::{DropReason, Engine, LaneKind, Lock, Policy},
    irql,
    record::{Kind, Level, flags},
};
use serde_json::{Map, Value, json};

use super::is_nmi;

/// A name where there is one, else the number.
fn name_or(name: Option<&'static str>, number: u64) -> Value {
    name.map_or_else(|| number.into(), Into::into)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A record.
pub fn record(out: &mut impl Write, tables: &Tables, record: &Record) -> Result<()> {
    let header = &record.header;
    let mut object = json!({
        "seconds": tables.seconds(header.tick.get()),
        "tick": header.tick.get(),
        "lane": record.lane,
        "seq": header.seq.get(),
        "cpu": header.processor.get(),
        "irql": header.irql,
        "irql_name": irql::name(header.irql),
        "nmi": is_nmi(tables, record.lane),
        "level": name_or(record.level().name(), header.level.into()),
        "kind": name_or(Kind(header.kind).name(), header.kind.into()),
    });
    let fields = object.as_object_mut().map_or_else(Map::new, std::mem::take);
    let mut fields = fields;
    if let Some((thread, process)) = record.thread() {
        fields.insert("thread".into(), thread.into());
        fields.insert("process".into(), process.into());
    }
    match record.content() {
        Content::Text(text) => {
            fields.insert("text".into(), text.into());
        }
        Content::Blob { header, bytes } => {
            let blob = json!({
                "blob": header.blob.get(), "tag": header.tag.get(), "offset": header.offset.get(),
                "total": header.total.get(), "bytes": hex(bytes),
            });
            fields.insert("blob".into(), blob);
        }
        Content::Unknown(bytes) => {
            fields.insert("bytes".into(), hex(bytes).into());
        }
    }
    for (flag, name) in [
        (flags::TRUNCATED, "truncated"),
        (flags::USER, "user"),
        (flags::OWN, "own"),
        (flags::NEVER_WAITS, "never_waits"),
    ] {
        if record.has(flag) {
            fields.insert(name.into(), true.into());
        }
    }
    if record.late {
        fields.insert("late".into(), true.into());
    }
    writeln!(out, "{}", Value::Object(fields))
}

/// Header, lanes and counters.
pub fn info(tables: &Tables) -> Value {
    let header = &tables.header;
    let [major, minor, patch, _] = header.driver_version.map(u16::from);
    let lanes: Vec<Value> = tables
        .present()
        .map(|(index, lane)| {
            json!({
                "lane": index,
                "kind": name_or(LaneKind(lane.kind.get()).name(), lane.kind.get().into()),
                "cpu": lane.processor.get(),
                "bytes": lane.data_words.get() * 8,
                "written": lane.next_seq.get().wrapping_sub(lane.first_seq.get()),
                "contended": lane.contended.get(),
                "longest_wait_ticks": lane.longest_wait.get(),
                "longest_hold_ticks_sampled": lane.longest_hold.get(),
                "hold_samples": lane.hold_samples.get(),
            })
        })
        .collect();
    let drops: Map<String, Value> = (0..)
        .zip(tables.drops())
        .filter_map(|(index, count)| Some((DropReason(index).name()?.to_owned(), count.into())))
        .collect();
    json!({
        "version": format!("{major}.{minor}.{patch}"),
        "format": format!("{}.{}", header.major, header.minor),
        "engine": name_or(Engine(header.engine.get()).name(), header.engine.get().into()),
        "lock": name_or(Lock(header.lock.get()).name(), header.lock.get().into()),
        "level": name_or(Level(header.level.get() as u8).name(), header.level.get()),
        "policy": name_or(Policy(header.policy.get() as u32).name(), header.policy.get()),
        "paused": header.paused.get() != 0,
        "active_processors": header.active_processors.get(),
        "tick_frequency": header.tick_frequency.get(),
        "own_calls": header.own_calls.get(),
        "dropped": drops,
        "lanes": lanes,
    })
}
