//! What text says of spans: how long they took, and what of them is missing.

mod common;

use std::sync::Arc;

use common::{Site, entry, file, irqlog, payload, record, site, tables, with_records};
use irqlog_reader::{record::Record, sites::SiteTable};
use irqlog_wire::{
    event::ArgumentKind,
    record::{Kind, WORD, flags},
    site::{ProviderHeader, SiteHeader, SiteRole},
};

const PROVIDER: &str = "nic";

/// A log of these events of one provider: role, pair id or value, tick, and thread if it was asked.
fn log(name: &str, events: &[(SiteRole, u64, u64, Option<u32>)]) -> std::path::PathBuf {
    let roles = [SiteRole::Begin, SiteRole::End, SiteRole::Counter];
    let formats = ["round {}", "end of span {}", "depth = {}"];
    let mut sites: Vec<u8> = Vec::new();
    let mut ids = Vec::new();
    for (role, format) in roles.into_iter().zip(formats) {
        ids.push((size_of::<ProviderHeader>() + PROVIDER.len().next_multiple_of(WORD) + sites.len()) / WORD);
        let mut bytes = site(&Site {
            provider: PROVIDER,
            format,
            file: "nic.c",
            arguments: if role == SiteRole::Begin { 2 } else { 1 },
        });
        let at = std::mem::offset_of!(SiteHeader, role);
        bytes[at..at + 2].copy_from_slice(&role.0.to_le_bytes());
        sites.extend(bytes);
    }
    let mut tables = tables();
    tables.header.tick_frequency.set(10_000_000);
    tables.header.tick_base.set(0);
    tables.lanes[0].next_seq.set(events.len() as u64);
    tables.sites = Arc::new(SiteTable::parse(entry(PROVIDER.as_bytes(), PROVIDER.len(), &sites)));
    let event = |(seq, &(role, id, tick, thread)): (u64, &(SiteRole, u64, u64, Option<u32>))| -> Record {
        let site = ids[roles.iter().position(|known| *known == role).unwrap()];
        // A begin has the pair id behind the arguments of its format.
        let count = if role == SiteRole::Begin { 2 } else { 1 };
        let words = id.to_le_bytes().repeat(count);
        let mut record = record(Kind::Event, seq, site as u32, &payload(&vec![ArgumentKind::U64; count], &words));
        record.header.tick.set(tick);
        if let Some(thread) = thread {
            record.header.flags.set(record.header.flags.get() & !flags::NO_THREAD);
            record.header.thread.set(thread);
        }
        record
    };
    file(name, &with_records(&tables, (0..).zip(events).map(event).collect()))
}

#[test]
fn text_shows_how_long_a_span_took_and_what_is_missing() {
    let (one, other) = (Some(0x10), Some(0x20));
    let log = log(
        "spans.irqlog",
        &[
            (SiteRole::Begin, 1, 1000, one),
            (SiteRole::Begin, 2, 1100, None),
            (SiteRole::End, 2, 1223, None),
            (SiteRole::End, 1, 35_000, one),
            (SiteRole::Counter, 7, 36_000, one),
            (SiteRole::End, 9, 37_000, one),
            (SiteRole::Begin, 10, 38_000, one),
            (SiteRole::End, 10, 39_000, other),
            (SiteRole::Begin, 11, 40_000, one),
            (SiteRole::End, 10, 20_038_000, one),
        ],
    );
    let output = irqlog(["decode", log.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let ends: Vec<_> = text.lines().map(|line| line.split_once("nic: ").unwrap().1).collect();
    assert_eq!(
        ends,
        [
            "round 1",
            "round 2",
            "end of span 2  [nic: round 2: 12.3 us]",
            "end of span 1  [nic: round 1: 3.400 ms]",
            "depth = 7",
            "end of span 9  [its begin is not shown]",
            "round 10",
            "end of span 10  [its begin is of cpu 0, thread 0x10]",
            "round 11",
            "end of span 10  [nic: round 10: 2.000 s]",
        ]
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("1 are begins of spans without an end, and 2 ends without a begin"), "{said}");
    let json = irqlog(["decode", log.to_str().unwrap(), "--json"]).stdout;
    let json = String::from_utf8(json).unwrap();
    for role in ["begin", "end", "counter"] {
        assert!(json.contains(&format!("\"role\":\"{role}\"")), "{json}");
    }
    // A filter that hides a begin hides how long it took, and says so.
    let output = irqlog(["decode", log.to_str().unwrap(), "--since", "0.003", "--until", "0.0036"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("end of span 1  [its begin is not shown]"), "{text}");
}
