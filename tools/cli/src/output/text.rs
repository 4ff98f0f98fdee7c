//! What runs, and statistics, as text.

use irqlog_reader::image::Tables;
use irqlog_wire::{
    image::{DropReason, Engine, LaneKind, Lock, Policy},
    record::Level,
};

fn name_or(name: Option<&'static str>, number: impl Into<u64>) -> String {
    name.map_or_else(|| number.into().to_string(), str::to_owned)
}

/// What runs.
pub fn info(tables: &Tables) -> String {
    let header = &tables.header;
    let version = super::version(tables);
    let engine = name_or(Engine(header.engine.get()).name(), header.engine);
    let lock = name_or(Lock(header.lock.get()).name(), header.lock);
    let level = Level(header.level.get() as u8);
    let policy = Policy(header.policy.get() as u32);
    let mut text = format!(
        "irqlog {version}, format {}.{}, engine {engine}, lock {lock}\n\
         level {}, policy {}, {}\n\
         {} processors active of {}, clock {} Hz\n\
         lane  kind       cpu     KiB     written\n",
        header.major,
        header.minor,
        name_or(level.name(), level.0),
        name_or(policy.name(), policy.0),
        if header.paused.get() == 0 { "writing" } else { "paused" },
        header.active_processors,
        header.processor_count,
        header.tick_frequency,
    );
    for (index, lane) in tables.present() {
        let kind = name_or(LaneKind(lane.kind.get()).name(), lane.kind);
        let processor = if kind == "shared" { "-".to_owned() } else { lane.processor.to_string() };
        let written = lane.next_seq.get().wrapping_sub(lane.first_seq.get());
        text.push_str(&format!(
            "{index:4}  {kind:9}  {processor:>3}  {:6}  {written:10}\n",
            lane.data_words.get().saturating_mul(8) / 1024
        ));
    }
    text
}

/// A sum of counters; those of a damaged image may be anything.
fn sum(counters: impl IntoIterator<Item = u64>) -> u64 {
    counters.into_iter().fold(0, u64::saturating_add)
}

/// Counters.
#[expect(clippy::cast_precision_loss, reason = "for display")]
pub fn stats(tables: &Tables) -> String {
    let written = sum(tables.present().map(|(_, lane)| lane.next_seq.get().wrapping_sub(lane.first_seq.get())));
    let drops = tables.drops();
    let mut text = format!("written   {written}\ndropped   {}\n", sum(drops));
    for (index, count) in (0..).zip(drops) {
        if count != 0 {
            text.push_str(&format!("  {:12} {count}\n", name_or(DropReason(index).name(), index)));
        }
    }
    text.push_str(&format!("own calls {}\n", tables.header.own_calls));
    let microseconds = |ticks: u64| ticks as f64 * 1e6 / tables.header.tick_frequency.get().max(1) as f64;
    for (index, lane) in tables.present().filter(|(_, lane)| lane.kind.get() == LaneKind::Shared.0) {
        text.push_str(&format!(
            "lane {index}: lock contended {} times, longest wait {:.1} us (of those), longest hold {:.1} us (sampled, {} records)\n",
            lane.contended,
            microseconds(lane.longest_wait.get()),
            microseconds(lane.longest_hold.get()),
            lane.hold_samples,
        ));
    }
    text
}
