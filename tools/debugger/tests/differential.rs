//! Random events, in the reader of irqlog.exe and in the script: the same text, the same fields.

mod common;

use std::sync::Arc;

use common::{assert_same, expected_of_image, file, mapped};
use irqlog_debugger::host;
use irqlog_reader::{image::Tables, record::Record, save::build, sites::SiteTable};
use irqlog_wire::{
    VERSION,
    event::{ArgumentKind, MAX_ARGUMENTS, string_word},
    format::{ALIGNS, STYLES},
    image::{ImageHeader, LaneControl, LaneKind, MAGIC},
    record::{HEADER_SIZE, Kind, Level, MAX_PAYLOAD, RecordHeader, WORD},
    site::{PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use zerocopy::{FromZeros, IntoBytes};

/// Events of one run.
const EVENTS: usize = 4000;

/// An argument: its kind, and its words with the bytes of a string.
type Argument = (ArgumentKind, Vec<u8>);

/// An event: format, names, arguments.
#[derive(Clone, Debug)]
struct Event {
    format: Vec<u8>,
    names: Vec<u8>,
    arguments: Vec<Argument>,
    header: (u8, u16, u8, u16, u64),
}

/// Numbers at which something changes, and any.
fn number() -> impl Strategy<Value = u128> {
    let edges = [0, 1, 9, 10, 99, 127, 128, 255, 256, 999_999, 1 << 31, (1 << 32) - 1, 1 << 53, (1 << 53) + 1, 1 << 63];
    prop_oneof![
        select(edges.to_vec()),
        select(edges.to_vec()).prop_map(u128::wrapping_neg),
        any::<u64>().prop_map(u128::from),
        any::<u128>(),
        (0..39_u32, 0..20_u128).prop_map(|(power, factor)| 10_u128.pow(power).wrapping_mul(factor).wrapping_add(5)),
    ]
}

fn float32() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        any::<f32>(),
        (-149..128_i32).prop_map(|power| 2_f64.powi(power) as f32),
        any::<i16>().prop_map(|number| f32::from(number) / 16.0),
        select(vec![0.0, -0.0, 0.5, 1.5, 2.5, 0.25, 1e-4, 1e16, 9_999_999_800_000_000.0, f32::MIN_POSITIVE, f32::MAX]),
    ]
}

fn float64() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f64>(),
        (-1074..1024_i32).prop_map(|power| 2_f64.powi(power)),
        (-40_000..40_000_i32).prop_map(|number| f64::from(number) / 16.0),
        (any::<i32>(), -30..30_i32).prop_map(|(number, power)| f64::from(number) * 10_f64.powi(power)),
        select(vec![0.0, -0.0, 0.5, 1.5, 2.5, 0.05, 1e-5, 1e-4, 1e16, 1e15, 1e21, 5e-324, f64::MAX, f64::NAN]),
    ]
}

/// Text with what has to be escaped, or is of more than one unit, among it.
fn text() -> impl Strategy<Value = String> {
    let special = "\0\t\r\n\\\"'\u{7f}\u{85}\u{a0}\u{ad}\u{e9}\u{301}\u{200b}\u{202e}\u{2028}\u{2800}\u{3164}\u{fe0f}\u{feff}\
                   \u{fffd}\u{1f600}\u{1f468}\u{200d}\u{e0041}\u{10ffff}\u{d7ff}\u{e000}\u{378}";
    let character = prop_oneof![
        3 => any::<char>(),
        3 => select(special.chars().collect::<Vec<_>>()),
        6 => proptest::char::range(' ', '~'),
    ];
    vec(character, 0..12).prop_map(String::from_iter)
}

fn words(number: u128, count: usize) -> Vec<u8> {
    number.to_le_bytes()[..count * WORD].to_vec()
}

/// The words of a string, some of whose bytes may have been cut.
fn string(bytes: &[u8], cut: u32) -> Vec<u8> {
    let size = bytes.len() as u32;
    let mut words = string_word(size, size.saturating_add(cut)).to_le_bytes().to_vec();
    words.extend(bytes);
    words.resize(words.len().next_multiple_of(WORD), 0);
    words
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..24), text().prop_map(String::into_bytes)]
}

fn argument() -> impl Strategy<Value = Argument> {
    // The kinds of later versions too.
    let kind = prop_oneof![20 => select(ArgumentKind::KNOWN.to_vec()), 1 => (0..=255_u8).prop_map(ArgumentKind)];
    kind.prop_flat_map(|kind| {
        let cut = prop_oneof![4 => Just(0), 1 => any::<u32>()];
        let value: BoxedStrategy<Vec<u8>> = match kind {
            ArgumentKind::Str | ArgumentKind::Bytes => {
                (bytes(), cut).prop_map(|(bytes, cut)| string(&bytes, cut)).boxed()
            }
            ArgumentKind::Utf16 => {
                (prop_oneof![vec(any::<u16>(), 0..12), text().prop_map(|text| text.encode_utf16().collect())], cut)
                    .prop_map(|(units, cut)| {
                        string(&units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>(), cut)
                    })
                    .boxed()
            }
            ArgumentKind::F32 => float32().prop_map(|float| words(float.to_bits().into(), 1)).boxed(),
            ArgumentKind::F64 => float64().prop_map(|float| words(float.to_bits().into(), 1)).boxed(),
            ArgumentKind::Char => prop_oneof![any::<char>().prop_map(u32::from), any::<u32>(), 0..0x300_u32]
                .prop_map(|code| words(code.into(), 1))
                .boxed(),
            ArgumentKind::Status => prop_oneof![
                any::<u32>(),
                select(irqlog_reader::status::names().map(|(value, _)| value).collect::<Vec<_>>())
            ]
            .prop_map(|status| words(status.into(), 1))
            .boxed(),
            _ => number().prop_map(move |number| words(number, kind.words())).boxed(),
        };
        value.prop_map(move |words| (kind, words))
    })
}

/// A hole with any of its parts, or nearly one.
fn hole() -> impl Strategy<Value = String> {
    let which = prop_oneof![
        6 => Just(String::new()),
        1 => (0..6_usize).prop_map(|index| index.to_string()),
        1 => select(vec!["port", "n", "_x", "\u{e9}t\u{e9}", "other", " n ", "1a", "constructor", "18446744073709551616"])
            .prop_map(str::to_owned),
    ];
    let fill =
        prop_oneof![3 => Just(None), 1 => select("*0{}<\u{e9}\u{1f600}:".chars().collect::<Vec<_>>()).prop_map(Some)];
    let align = prop_oneof![2 => Just(None), 1 => select(ALIGNS.map(|(text, _)| text).to_vec()).prop_map(Some)];
    let count = || {
        prop_oneof![
            4 => Just(String::new()),
            3 => (0..40_usize).prop_map(|number| number.to_string()),
            1 => (0..6_usize).prop_map(|index| format!("{index}$")),
            1 => select(vec!["n$", "port$", "4096", "9999", "99999999999999999999", "*", "constructor"]).prop_map(str::to_owned),
        ]
    };
    let sign = select(vec!["", "", "", "+", "-"]);
    let style =
        prop_oneof![9 => select(STYLES.map(|(text, _)| text).to_vec()), 1 => select(vec!["z", "xx", "constructor"])];
    (which, fill, align, sign, any::<bool>(), any::<bool>(), count(), proptest::option::of(count()), style).prop_map(
        |(which, fill, align, sign, alternate, zero, width, precision, style)| {
            let align = align.map(|align| fill.map_or_else(String::new, String::from) + &align.to_string());
            let precision = precision.map_or_else(String::new, |precision| format!(".{precision}"));
            let (alternate, zero) = (if alternate { "#" } else { "" }, if zero { "0" } else { "" });
            let spec = format!("{}{sign}{alternate}{zero}{width}{precision}{style}", align.unwrap_or_default());
            if spec.is_empty() { format!("{{{which}}}") } else { format!("{{{which}:{spec}}}") }
        },
    )
}

fn format() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => hole(),
        2 => text().prop_map(|text| text.replace('{', "{{").replace('}', "}}")),
        1 => text(),
    ];
    let written = vec(piece, 0..5).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![12 => written, 1 => vec(any::<u8>(), 0..20)]
}

fn event() -> impl Strategy<Value = Event> {
    let names = prop_oneof![
        vec(select(vec!["", "port", "n", "_x", "\u{e9}t\u{e9}"]), 0..6).prop_map(|names| names.join(",").into_bytes()),
        vec(any::<u8>(), 0..6),
    ];
    // Level and IRQL also beyond those that have names, any flag, and ticks on both sides of the start.
    let header = (0..8_u8, any::<u16>(), 0..20_u8, any::<u16>(), any::<u64>());
    (format(), names, vec(argument(), 0..6), header).prop_map(|(format, names, arguments, header)| Event {
        format,
        names,
        arguments,
        header,
    })
}

/// Each of many values, from a seed that is told when they differ.
fn values<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let seed = std::env::var("IRQLOG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    println!("IRQLOG_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn site(event: &Event) -> Vec<u8> {
    let mut header = SiteHeader::new_zeroed();
    header.magic.set(SITE_MAGIC);
    header.level = Level::Info.0;
    header.arguments = event.arguments.len() as u8;
    header.line.set(7);
    let parts = [&event.format[..], &event.names, b"module", b"file.rs"];
    for (length, part) in
        [&mut header.format, &mut header.names, &mut header.module, &mut header.file].into_iter().zip(parts)
    {
        length.set(part.len() as u16);
    }
    let size = (size_of::<SiteHeader>() + parts.concat().len()).next_multiple_of(WORD);
    header.size.set(size as u32);
    let mut bytes = [header.as_bytes(), &parts.concat()].concat();
    bytes.resize(size, 0);
    bytes
}

fn payload(arguments: &[Argument]) -> Vec<u8> {
    let mut bytes = vec![arguments.len() as u8];
    bytes.extend(arguments.iter().map(|(kind, _)| kind.0));
    bytes.resize(bytes.len().next_multiple_of(WORD), 0);
    for (_, words) in arguments {
        bytes.extend(words);
    }
    bytes.truncate(MAX_PAYLOAD);
    bytes
}

/// A provider's entry in a site table.
fn entry(sites: &[Vec<u8>]) -> Vec<u8> {
    let (name, sites_size) = (b"provider", sites.concat().len());
    let mut header = ProviderHeader::new_zeroed();
    header.magic.set(PROVIDER_MAGIC);
    header.name_size.set(name.len() as u32);
    header.sites_offset.set((size_of::<ProviderHeader>() + name.len()) as u32);
    header.sites_size.set(sites_size as u32);
    header.size.set((size_of::<ProviderHeader>() + name.len() + sites_size) as u32);
    header.site_count.set(sites.len() as u32);
    header.level.set(Level::Trace.0.into());
    [header.as_bytes(), name, &sites.concat()].concat()
}

/// An image of events, each with a site of its own.
fn image(events: &[Event]) -> Vec<u8> {
    let sites: Vec<_> = events.iter().map(site).collect();
    let mut ids = Vec::new();
    let mut id = (size_of::<ProviderHeader>() + 8) / WORD;
    for site in &sites {
        ids.push(id as u32);
        id += site.len() / WORD;
    }
    let mut header = ImageHeader::new_zeroed();
    (header.magic, header.major, header.minor) = (MAGIC, VERSION.major.into(), VERSION.minor.into());
    (header.tick_base, header.tick_frequency) = (1_000_000.into(), 10_000_000.into());
    header.lane_count.set(1);
    let mut lane = LaneControl::new_zeroed();
    (lane.kind, lane.data_words) = (LaneKind::Shared.0.into(), 1.into());
    lane.next_seq.set(events.len() as u64);
    let records = events.iter().zip(&ids).enumerate().map(|(number, (event, &id))| record(number as u64, event, id));
    let records = records.collect();
    let tables =
        Tables { header, processors: Vec::new(), lanes: vec![lane], sites: Arc::new(SiteTable::parse(entry(&sites))) };
    build(&tables, &[records])
}

fn record(seq: u64, event: &Event, site: u32) -> Record {
    let payload = payload(&event.arguments);
    let (level, flags, irql, processor, tick) = event.header;
    let mut header = RecordHeader::new_zeroed();
    header.size.set((HEADER_SIZE + payload.len()).next_multiple_of(WORD) as u16);
    (header.kind, header.level, header.irql) = (Kind::Event.0, level, irql);
    (header.flags, header.processor) = (flags.into(), processor.into());
    header.payload_size.set(payload.len() as u16);
    (header.seq, header.tick) = (seq.into(), tick.into());
    // Some are of a site that is not there.
    header.site.set(if tick % 16 == 0 { 1 } else { site });
    header.thread.set((tick as u32).wrapping_mul(7));
    header.process.set((tick >> 32) as u32);
    Record { lane: 0, header, payload, late: false }
}

#[test]
fn random_events_have_the_same_text_and_fields() {
    let events = values(&event(), EVENTS);
    let kinds = |kind: &ArgumentKind| events.iter().flat_map(|event| &event.arguments).any(|(own, _)| own == kind);
    assert!(ArgumentKind::KNOWN.iter().all(kinds), "a kind does not occur");
    assert!(events.iter().all(|event| event.arguments.len() <= MAX_ARGUMENTS));
    let image = image(&events);
    let path = file("differential.irqlog", &image);
    let answers = host::ask(&[mapped(&path)]).unwrap();
    let expected = expected_of_image(&image);
    assert_eq!((expected["records"].as_array().unwrap().len(), &expected["faults"]), (EVENTS, &serde_json::json!([])));
    assert_same(&answers[0], &expected, "random events");
}
