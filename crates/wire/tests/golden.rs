//! Numbers that are on disks and in dumps: a change here breaks readers, so it has to be meant.

use irqlog_wire::{
    Upgrade, VERSION, Version, crash,
    event::{self, ArgumentKind},
    image, ioctl, irql,
    record::{BlobHeader, HEADER_SIZE, Kind, Level, MAX_PAYLOAD, RecordHeader, flags, size_for_payload},
    site::provider_word,
};
use zerocopy::{FromBytes, IntoBytes};

#[test]
fn record_header_has_these_bytes() {
    let header = RecordHeader {
        size: 0x0130.into(),
        kind: Kind::Text.0,
        level: Level::Warn.0,
        flags: (flags::NO_THREAD | flags::TRUNCATED).into(),
        irql: 15,
        reserved: 0,
        processor: 0x0203.into(),
        payload_size: 0x0405.into(),
        site: 0x0607_0809.into(),
        seq: 0x0a0b_0c0d_0e0f_1011.into(),
        tick: 0x1213_1415_1617_1819.into(),
        thread: 0x1a1b_1c1d.into(),
        process: 0x1e1f_2021.into(),
    };
    let bytes = [
        0x30, 0x01, 2, 2, 0x03, 0, 15, 0, 0x03, 0x02, 0x05, 0x04, 0x09, 0x08, 0x07, 0x06, 0x11, 0x10, 0x0f, 0x0e, 0x0d,
        0x0c, 0x0b, 0x0a, 0x19, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x1d, 0x1c, 0x1b, 0x1a, 0x21, 0x20, 0x1f,
        0x1e,
    ];
    assert_eq!(header.as_bytes(), bytes);
    assert_eq!(RecordHeader::read_from_bytes(&bytes).unwrap(), header);
    let words: Vec<u8> = header.to_words().into_iter().flat_map(u64::to_le_bytes).collect();
    assert_eq!(words, bytes);
    let first = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(irqlog_wire::record::size_of_first_word(first), 0x130);
}

#[test]
fn blob_header_has_these_bytes() {
    let header = BlobHeader { tag: 1.into(), blob: 2.into(), total: 3.into(), offset: 4.into() };
    assert_eq!(header.as_bytes(), [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
}

#[test]
fn enumerations_have_these_values() {
    assert_eq!(
        Kind::KNOWN.iter().map(|k| (k.0, k.name().unwrap())).collect::<Vec<_>>(),
        [(1, "event"), (2, "text"), (3, "blob")]
    );
    assert_eq!(
        Level::KNOWN.iter().map(|l| (l.0, l.name().unwrap())).collect::<Vec<_>>(),
        [(1, "error"), (2, "warn"), (3, "info"), (4, "debug"), (5, "trace")]
    );
    assert_eq!(
        image::DropReason::KNOWN.iter().map(|r| (r.0, r.name().unwrap())).collect::<Vec<_>>(),
        [(0, "too-large"), (1, "re-entered"), (2, "refused"), (3, "paused"), (4, "no-lane"), (5, "budget")]
    );
    assert!(image::DropReason::KNOWN.len() <= image::DROP_REASONS);
    assert_eq!(
        image::Engine::KNOWN.iter().map(|e| (e.0, e.name().unwrap())).collect::<Vec<_>>(),
        [(1, "shared"), (2, "percpu")]
    );
    assert_eq!(
        image::LaneKind::KNOWN.iter().map(|k| (k.0, k.name().unwrap())).collect::<Vec<_>>(),
        [(1, "shared"), (2, "processor"), (3, "nmi")]
    );
    assert_eq!(
        ArgumentKind::KNOWN.iter().map(|kind| (kind.0, kind.name().unwrap())).collect::<Vec<_>>(),
        [
            (1, "u8"),
            (2, "u16"),
            (3, "u32"),
            (4, "u64"),
            (5, "u128"),
            (6, "usize"),
            (7, "i8"),
            (8, "i16"),
            (9, "i32"),
            (10, "i64"),
            (11, "i128"),
            (12, "isize"),
            (13, "bool"),
            (14, "char"),
            (15, "f32"),
            (16, "f64"),
            (17, "pointer"),
            (18, "status"),
            (19, "guid"),
            (20, "str"),
            (21, "bytes"),
            (22, "utf16"),
        ]
    );
    assert_eq!(Level(9).name(), None, "an unknown value stays what it is");
    assert_eq!(Level::from_name("WARN"), Some(Level::Warn));
    assert_eq!(Level::from_name("loud"), None);
}

/// `CTL_CODE(FILE_DEVICE_UNKNOWN, function, method, access)`, worked out by hand.
#[test]
fn limits_and_names_have_these_values() {
    assert_eq!((event::MAX_EVENT_WORDS, event::MAX_CALL_WORDS, event::MAX_ARGUMENTS), (123, 49, 23));
    assert_eq!((irql::name(0), irql::name(15), irql::name(16), irql::name(255)), ("PASSIVE", "HIGH", "?", "?"));
    // A kind beyond those that a set of 32 bits can hold is in none.
    for kind in [0, 31, 32, 33, 255].map(ArgumentKind) {
        assert!(!kind.is_string() && !kind.needs_driver() && kind.words() == 1, "{kind:?}");
    }
}

#[test]
fn control_codes_have_these_values() {
    assert_eq!(ioctl::INFO, 0x0022_6000);
    assert_eq!(ioctl::READ, 0x0022_6006);
    assert_eq!(ioctl::WAIT, 0x0022_6008);
    assert_eq!(ioctl::CONFIGURE, 0x0022_a010);
    assert_eq!(ioctl::CLEAR, 0x0022_a014);
    assert_eq!(ioctl::MARK, 0x0022_a018);
    assert_eq!(ioctl::SELFTEST, 0x0022_e01c);
    assert_eq!(ioctl::SITES, 0x0022_600e);
    assert_eq!(ioctl::PROVIDER_LEVEL, 0x0022_a020);
    assert_eq!(ioctl::CONNECT, 0x0022_2200);
}

#[test]
fn image_words_lie_where_the_structures_say() {
    assert_eq!(image::MAGIC, [0x49, 0x52, 0x51, 0x4c, 0x4f, 0x47, 0x0d, 0x0a]);
    assert_eq!(
        [image::header_word::LEVEL, image::header_word::POLICY, image::header_word::PAUSED, image::header_word::DROPS],
        [16, 17, 18, 21]
    );
    assert_eq!([image::processor_word::NESTING, image::processor_word::DROPS, image::lane_word::NESTING], [0, 1, 18]);
    assert_eq!([image::lane_word::FLOOR, image::lane_word::HEAD, image::lane_word::TAIL], [5, 16, 6]);
    assert_eq!([image::lane_word::NEXT_SEQ, image::lane_word::CONTENDED, image::lane_word::MARKS], [17, 8, 32]);
    assert_eq!([image::header_word::SITES_OFFSET, image::header_word::SITES_SIZE], [14, 15]);
    assert_eq!(image::header_word::REFUSED_PROVIDERS, 29);
    assert_eq!([image::header_word::CRASHED, image::header_word::CRASH_TICK], [30, 37]);
    assert_eq!(image::header_word::SITES_REPLACED, 38);
    let words = [provider_word::LEVEL, provider_word::REGISTERED, provider_word::REGISTRATIONS];
    assert_eq!(words, [3, 4, 5]);
}

#[test]
fn sizes_are_rounded_to_words() {
    assert_eq!(size_for_payload(0), Some(HEADER_SIZE));
    assert_eq!(size_for_payload(1), Some(HEADER_SIZE + 8));
    assert_eq!(size_for_payload(8), Some(HEADER_SIZE + 8));
    assert_eq!(size_for_payload(MAX_PAYLOAD), Some(1024));
    assert_eq!(size_for_payload(MAX_PAYLOAD + 1), None);
}

#[test]
fn a_version_says_which_side_to_upgrade() {
    assert_eq!(VERSION.accepts(VERSION), Ok(()));
    assert_eq!(VERSION.accepts(Version { major: VERSION.major, minor: VERSION.minor + 1 }), Err(Upgrade::Reader));
    assert_eq!(VERSION.accepts(Version { major: VERSION.major + 1, minor: 0 }), Err(Upgrade::Reader));
    assert_eq!(VERSION.accepts(Version { major: 0, minor: 9 }), Err(Upgrade::Writer));
}

/// `b3a5e1d0-6c6f-4967-8a72-715f64756d70`, as text and as Windows stores a GUID.
#[test]
fn the_guid_of_secondary_data_has_these_bytes() {
    let (first, second, third, rest) = crash::GUID;
    let mut bytes = first.to_le_bytes().to_vec();
    bytes.extend(second.to_le_bytes());
    bytes.extend(third.to_le_bytes());
    bytes.extend(rest);
    assert_eq!(bytes, crash::GUID_BYTES);
    let hex: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(format!("{first:08x}-{second:04x}-{third:04x}-{hex}"), "b3a5e1d0-6c6f-4967-8a72715f64756d70");
}

#[test]
fn a_part_header_has_these_bytes() {
    let header = crash::PartHeader {
        magic: crash::PART_MAGIC,
        major: 1.into(),
        minor: 2.into(),
        header_size: 88.into(),
        start_id: 0x0102_0304_0506_0708.into(),
        index: 3.into(),
        count: 4.into(),
        offset: 5.into(),
        length: 6.into(),
        form: crash::StreamForm::Cut.0.into(),
        total: 7.into(),
        records_left_out: 8.into(),
        records: 9.into(),
        allowed: 10.into(),
        kept: 11.into(),
        reserved: 0.into(),
    };
    let mut bytes = b"IRQPART\n\x01\0\x02\0\x58\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01".to_vec();
    bytes.extend([3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0]);
    bytes.extend([7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([10, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(header.as_bytes(), bytes);
}
