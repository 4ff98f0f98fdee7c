//! How long a ring lasts, and the size that is recommended.

use std::sync::Arc;

use irqlog_reader::{
    image::Tables,
    log::{Fault, Item, Log, LogError},
    record::Record,
};
use irqlog_shown::retention::Retention;
use irqlog_wire::{
    image::{ImageHeader, LaneControl, LaneKind},
    record::RecordHeader,
};
use zerocopy::FromZeros;

/// A log of those records: lane, second, and bytes.
struct Given<'r>(Tables, std::slice::Iter<'r, (u32, u64, u16)>);

impl Log for Given<'_> {
    fn tables(&self) -> &Tables {
        &self.0
    }

    fn next(&mut self) -> Result<Option<Item>, LogError> {
        Ok(self.1.next().map(|&(lane, second, size)| {
            let mut header = RecordHeader::new_zeroed();
            header.tick.set(second * 1000);
            header.size.set(size);
            Item::Record(Record { lane, header, payload: Vec::new(), late: false })
        }))
    }

    fn faults(&self) -> &[Fault] {
        &[]
    }
}

/// Two main lanes of 64 KiB and an NMI lane of 4 KiB, at 1000 Hz.
fn measure(records: &[(u32, u64, u16)]) -> Option<Retention> {
    let mut header = ImageHeader::new_zeroed();
    header.tick_frequency.set(1000);
    let lane = |kind: LaneKind, kib: u64| {
        let mut lane = LaneControl::new_zeroed();
        lane.kind.set(kind.0);
        lane.data_words.set(kib * 128);
        lane
    };
    let lanes = vec![lane(LaneKind::Processor, 64), lane(LaneKind::Processor, 64), lane(LaneKind::Nmi, 4)];
    let tables = Tables { header, processors: Vec::new(), lanes, sites: Arc::default() };
    Retention::measure(&mut Given(tables, records.iter())).unwrap()
}

#[test]
fn the_lane_that_overwrites_itself_first_decides() {
    // Lane 0 has 1024 bytes in 4 seconds, so 64 KiB last 256; lane 1 has four times as many.
    let records = [(0, 0, 512), (0, 4, 512), (1, 0, 1024), (1, 2, 2048), (1, 4, 1024), (2, 0, 1024), (2, 1, 1024)];
    let found = measure(&records).unwrap();
    assert_eq!(found.ring_bytes, 128 << 10, "without the NMI lane");
    assert!((found.lasts_seconds - 64.0).abs() < 1e-9 && (found.bytes_per_second - 1280.0).abs() < 1e-9, "{found:?}");
    // 128 KiB last 64 s: for 60 they suffice.
    assert_eq!(found.recommended_kib, 128);
    let found = measure(&[(0, 0, 1024), (0, 1, 1024)]).unwrap();
    assert!((found.lasts_seconds - 32.0).abs() < 1e-9 && found.recommended_kib == 256, "{found:?}");
}

#[test]
fn records_without_a_span_say_nothing() {
    assert_eq!(measure(&[]), None);
    assert_eq!(measure(&[(0, 3, 100), (0, 3, 100), (2, 1, 50), (2, 9, 50)]), None);
}
