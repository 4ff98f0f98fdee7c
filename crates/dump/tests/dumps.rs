//! The log out of each kind of dump, by each way to it; and files that lie about themselves.

mod common;

use common::{CODE, Logged, PARAMETERS, dump, logged, messages};
use irqlog_dump::{
    DumpBytes, DumpError, Origin, find,
    find::FindError,
    header::{DumpKind, Header, MachineType},
    is_dump,
    pages::DumpPages,
    paging::Space,
};
use irqlog_makedump::{Crashed, DumpVariety};
use proptest::prelude::*;

const KINDS: [DumpVariety; 5] = DumpVariety::ALL;

fn found(dump: &[u8]) -> (Header, irqlog_dump::FoundLog) {
    find(&dump, |_, _| {}).unwrap()
}

#[test]
fn every_kind_gives_the_log_by_every_way() {
    let logged = logged(40);
    for kind in KINDS {
        for machine in [0x8664, 0xaa64] {
            let (header, log) = found(&dump(&logged, kind, |crashed| Crashed { machine, ..crashed }));
            assert_eq!((header.code, header.parameters), (CODE, PARAMETERS));
            assert_eq!(log.origin, Origin::Secondary, "{kind:?}");
            assert_eq!(messages(&log.image), messages(&logged.image));
            if kind == DumpVariety::Small {
                continue;
            }
            let without = dump(&logged, kind, |crashed| Crashed { machine, blocks: &[], ..crashed });
            let (_, log) = found(&without);
            assert_eq!((log.origin, log.missing), (Origin::Anchor, 0), "{kind:?}");
            assert_eq!(log.image, logged.image);
            let pool = &logged.memory[1..];
            let without = dump(&logged, kind, |crashed| Crashed { machine, blocks: &[], memory: pool, ..crashed });
            let (_, log) = found(&without);
            assert_eq!((log.origin, log.missing), (Origin::Scan, 0), "{kind:?}");
            assert_eq!(log.image, logged.image);
        }
    }
}

#[test]
fn five_levels_are_tried_too() {
    let logged = logged(5);
    let (_, log) = found(&dump(&logged, DumpVariety::Full, |crashed| Crashed { levels: 5, blocks: &[], ..crashed }));
    assert_eq!((log.origin, log.image), (Origin::Anchor, logged.image));
}

/// The list of loaded drivers leads to the anchor, without a search of the memory.
#[test]
fn the_list_of_drivers_is_tried_before_a_search() {
    let logged = logged(9);
    let (driver, image) = (logged.memory[0].0, &logged.memory[0].1);
    let modules = [("ntoskrnl.exe", 0x7e00_0000_0000, 4096), ("IrqLog.SYS", driver, image.len())];
    let others = [("ntoskrnl.exe", 0x7e00_0000_0000, 4096), ("irqlogs.sys", driver, image.len())];
    for kind in [DumpVariety::Full, DumpVariety::Kernel, DumpVariety::Ranges] {
        for (modules, is_searched) in [(&modules, false), (&others, true)] {
            let file = dump(&logged, kind, |crashed| Crashed { blocks: &[], modules, ..crashed });
            let mut steps = 0;
            let (_, log) = find(&file, |_, _| steps += 1).unwrap();
            assert_eq!((log.origin, steps != 0), (Origin::Anchor, is_searched), "{kind:?}");
            assert_eq!(log.image, logged.image);
        }
    }
}

/// A list that goes round, or leads nowhere, costs nothing but itself.
#[test]
fn a_damaged_list_of_drivers_is_left() {
    let logged = logged(9);
    let modules = [("ntoskrnl.exe", 0x7e00_0000_0000, 4096), ("irqlog.sys", logged.memory[0].0, 1 << 40)];
    let good = dump(&logged, DumpVariety::Full, |crashed| Crashed { blocks: &[], modules: &modules, ..crashed });
    let list = u64::from_le_bytes(good[0x20..0x28].try_into().unwrap());
    let second = (list + 512).to_le_bytes();
    let links: Vec<_> = good.windows(8).enumerate().filter(|(_, word)| **word == second).map(|(at, _)| at).collect();
    assert!(!links.is_empty());
    for to in [list + 256, 0, 0xdead_beef] {
        let mut file = good.clone();
        for &at in &links {
            file[at..at + 8].copy_from_slice(&to.to_le_bytes());
        }
        assert_eq!(found(&file).1.origin, Origin::Anchor);
    }
}

#[test]
fn a_small_dump_has_the_log_as_memory() {
    let logged = logged(30);
    let (_, log) = found(&dump(&logged, DumpVariety::Small, |crashed| Crashed { blocks: &[], ..crashed }));
    assert_eq!((log.origin, log.missing), (Origin::Anchor, 0));
    assert_eq!(log.image, logged.image);
}

#[test]
fn cut_secondary_data_and_memory_are_united() {
    let logged = logged(200);
    let cut = logged.parts(6000);
    let (_, log) = found(&dump(&logged, DumpVariety::Kernel, |crashed| Crashed { blocks: &cut, ..crashed }));
    assert_eq!(log.origin, Origin::Both);
    assert!(log.cut.records_left_out != 0);
    assert_eq!(messages(&log.image), messages(&logged.image));
    let (_, log) = found(&dump(&logged, DumpVariety::Small, |crashed| Crashed { blocks: &cut, added: &[], ..crashed }));
    assert_eq!(log.origin, Origin::Secondary);
    let (all, some) = (messages(&logged.image), messages(&log.image));
    assert_eq!(some.len() as u64, log.cut.records);
    assert!(some.iter().all(|message| all.contains(message)));
}

#[test]
fn files_that_are_refused_say_why() {
    let logged = logged(1);
    let good = dump(&logged, DumpVariety::Full, |crashed| crashed);
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    for (file, refused) in [
        (b"MDMP".repeat(4096), DumpError::UserMode),
        (with(0, b"PAGEDUMP"), DumpError::Bits32),
        (with(0, b"something"), DumpError::NotADump),
        (with(0xf98, &2_u32.to_le_bytes()), DumpError::Summary),
        (with(0xf98, &77_u32.to_le_bytes()), DumpError::UnknownKind(77)),
        (with(0x1050, &(1_u32 << 8).to_le_bytes()), DumpError::Encrypted),
        (with(0x30, &0x14c_u32.to_le_bytes()), DumpError::UnknownMachine(0x14c)),
        (with(0xf98, &5_u32.to_le_bytes()), DumpError::Damaged("bitmap of pages")),
        (with(0xf98, &8_u32.to_le_bytes()), DumpError::Damaged("list of page ranges")),
        (good[..4096].to_vec(), DumpError::CutOff(4096)),
    ] {
        match find(&file, |_, _| {}) {
            Err(FindError::Refused(found)) => assert_eq!(found, refused),
            other => panic!("{refused:?}: {:?}", other.map(|(header, _)| header)),
        }
        assert!(is_dump(&file) != (refused == DumpError::NotADump));
        assert!(refused.to_string().len() > 30);
    }
    // Encrypted, and decrypted again.
    assert!(find(&with(0x1050, &(3_u32 << 8).to_le_bytes()), |_, _| {}).is_ok());
    let memory = [(0x7000_0000_0000, vec![7; 9000])];
    let none = dump(&logged, DumpVariety::Full, |crashed| Crashed { blocks: &[], memory: &memory, ..crashed });
    assert!(matches!(find(&none, |_, _| {}), Err(FindError::NoLog(pages)) if pages > 3));
}

#[test]
fn progress_reaches_the_end() {
    let logged = logged(3);
    let file = dump(&logged, DumpVariety::Ranges, |crashed| Crashed { blocks: &[], ..crashed });
    let mut heard = Vec::new();
    find(&file, |done, total| heard.push((done, total))).unwrap();
    let (done, total) = heard[heard.len() - 1];
    assert!(done == total && total > 4096 && heard.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

/// A table with one entry at each level that is a large page, in four pages of memory.
#[test]
fn large_pages_end_a_walk() {
    for (machine, large, small) in [(MachineType::X64, 0x81_u64, 0x03_u64), (MachineType::Arm64, 0x01, 0x03)] {
        let mut file = vec![0; 0x2000 + 4 * 4096];
        let mut put = |page: usize, index: usize, value: u64| {
            file[0x2000 + page * 4096 + index * 8..][..8].copy_from_slice(&value.to_le_bytes());
        };
        // Top table in page 0, then 1 GiB in page 1 and a table in page 2 with 2 MiB.
        put(0, 256, 1 << 12 | small);
        put(1, 0, 0x4000_0000 | large);
        put(1, 1, 2 << 12 | small);
        put(2, 5, 0x20_0000 | large);
        file[0x88..0x8c].copy_from_slice(&1_u32.to_le_bytes());
        file[0x98..0xa0].copy_from_slice(&0_u64.to_le_bytes());
        file[0xa0..0xa8].copy_from_slice(&4_u64.to_le_bytes());
        let header = Header {
            kind: DumpKind::Full,
            dump_type: 1,
            machine,
            processors: 1,
            page_tables: 0,
            modules: 0,
            code: 0,
            parameters: [0; 4],
        };
        let pages = DumpPages::read(&file, &header).unwrap();
        let space = Space::new(&file, &pages, &header, 4);
        let base = 0xffff_8000_0000_0000;
        assert_eq!(space.translate(base + 0x1234_5678), Some(0x5234_5678));
        assert_eq!(space.translate(base + 0x4000_0000 + 5 * 0x20_0000 + 0x123), Some(0x20_0123));
        assert_eq!(space.translate(base + 0x4000_0000), None);
        assert_eq!(space.translate(0x1000), None);
        let wanted = [0x4000_3000, 0x20_1000, 0x99_0000_0000];
        let there = [Some(base + 0x3000), Some(base + 0x4000_0000 + 5 * 0x20_0000 + 0x1000), None];
        assert_eq!(space.addresses_of(&wanted), there);
    }
}

#[test]
fn counts_are_clamped_to_the_file() {
    let logged = logged(2);
    for kind in KINDS {
        let good = dump(&logged, kind, |crashed| crashed);
        // Each number of the directory becomes as large as it can be.
        for at in (0x88..0x120).chain(0x2000..0x2080).step_by(4) {
            let mut file = good.clone();
            file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            let _ = find(&file, |_, _| {});
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_never_panics(kind in 0_usize..5, damage in prop::collection::vec((0_usize..0x4000, any::<u8>()), 1..20), cut: u16) {
        let logged: &'static Logged = common::shared();
        let mut file = dump(logged, KINDS[kind], |crashed| crashed);
        for (at, byte) in damage {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        let keep = file.len() - file.len() * usize::from(cut) / 65536 / 2;
        let _ = find(&&file[..keep], |_, _| {});
    }
}

#[test]
fn a_source_ends_where_it_ends() {
    let bytes = [1_u8, 2, 3];
    assert_eq!((bytes.length(), bytes.bytes(1, 9), bytes.bytes(7, 1)), (3, &[2, 3][..], &[][..]));
    assert_eq!((bytes.u32(0), bytes.array(1)), (None, Some([2, 3])));
}
