//! Logs that no driver would write, for readers that are not ours.
//!
//! One has each kind of argument at its limits, text of every hostile sort, ticks that go back, and gaps in several lanes.
//! The other has more sites than any driver.

use std::sync::Arc;

use irqlog_reader::{image::Tables, record::Record, save::build, sites::SiteTable};
use irqlog_wire::{
    event::{ArgumentKind, string_word},
    record::{BlobHeader, HEADER_SIZE, Kind, Level, RecordHeader, WORD, flags},
    site::{PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader, SiteRole},
};
use zerocopy::{FromZeros, IntoBytes};

/// Number of sites of [`many_sites`].
pub const MANY: u32 = 20_000;

/// Texts that a tool may stumble over.
const TEXTS: [&[u8]; 20] = [
    b"plain",
    b"",
    b"two\nlines\r\nand a tab\t",
    b"nul\0inside",
    b"\x1b[31mred\x1b[0m \x07\x08\x7f",
    "c1 \u{9b}31m".as_bytes(),
    "bidi \u{202e}evil\u{2066}x\u{2069}".as_bytes(),
    "zero\u{200b}width\u{feff}\u{ad}".as_bytes(),
    "tag \u{e0041} plane \u{1f600} \u{10ffff}".as_bytes(),
    "lines \u{2028}\u{2029}\u{85}".as_bytes(),
    b"invalid \xff\xfe\xc3\x28 utf-8 \xed\xa0\x80",
    b"=1+1",
    b"+cmd|' /C calc'!A0",
    b"-2+3",
    b"@SUM(1,2)",
    b"quotes \" ' ` and , ; comma",
    b"\\ \\n \\u0000 ${HOME} %s %n {} {{}} {0}",
    b"</script><img src=x onerror=alert(1)>",
    b"MESSAGE=forged\nPRIORITY=0\n\n",
    b"{\"seq\":1}",
];

/// Names of arguments, as a site has them: with words of the languages that exports are written in, repeated, and
/// hostile.
const NAMES: &str =
    "port,,event,struct,port,two words,quo\"te,_seq,\u{e9}t\u{e9},1st,timestamp,stream,\u{202e}x,a.b,a[0],align,=x,id";

/// A log with everything that is hostile, in five lanes. `model` are the tables of a stored image.
#[must_use]
pub fn hostile(model: &Tables) -> Vec<u8> {
    let mut tables = model.clone();
    let mut table = TableBuilder::default();
    let all: Vec<_> = TEXTS.iter().map(|text| table.site(text, NAMES, "src\\lib.rs", 7)).collect();
    let wide =
        table.site(b"{:?} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", NAMES, "=evil\u{202e}.rs", u32::MAX);
    let spans = SpanSites::new(&mut table);
    tables.sites = Arc::new(SiteTable::parse(table.finish("=evil\u{202e}\x1b[31m\0 \"provider\"")));
    // Beyond 2^63 tools that keep numbers with a sign have none.
    let first = (1 << 63) - 12;
    let mut log = LogBuilder::new(tables, first);
    for (number, text) in (0_u32..).zip(TEXTS) {
        log.record(Kind::Text, 0, text);
        let words = [string(text, 0), string(text, 17), utf16(text), string(text, 0)].concat();
        let kinds = [ArgumentKind::Str, ArgumentKind::Bytes, ArgumentKind::Utf16, ArgumentKind::Str];
        log.record(Kind::Event, all[number as usize], &payload(&kinds, &words));
        log.record(Kind::Blob, 0, &blob(number, text));
    }
    for round in 0..3 {
        let (kinds, words) = every_number(round);
        log.record(Kind::Event, wide, &payload(&kinds, &words));
    }
    // A surrogate without its partner, a kind of a later version, arguments that are cut off, no arguments, no site.
    let lone = string(&[0x41, 0, 0, 0xd8, 0x42, 0], 0);
    log.record(Kind::Event, wide, &payload(&[ArgumentKind::Utf16], &lone));
    log.record(Kind::Event, wide, &payload(&[ArgumentKind(200), ArgumentKind::U8], &[7; 16]));
    log.record(Kind::Event, wide, &payload(&[ArgumentKind::U8, ArgumentKind::U128], &[9; 16]));
    log.record(Kind::Event, wide, &payload(&[], &[]));
    log.record(Kind::Event, 3, &payload(&[ArgumentKind::U32], &[1, 0, 0, 0, 0, 0, 0, 0]));
    log.record(Kind(9), 0, b"of a later version");
    log.record(Kind::Blob, 0, b"short");
    spans.records(&mut log);
    log.finish()
}

/// Sites of a span and of a counter.
struct SpanSites {
    begin: u32,
    end: u32,
    counter: u32,
}

impl SpanSites {
    fn new(table: &mut TableBuilder) -> Self {
        let mut site = |role: SiteRole, format: &[u8], names| {
            let id = table.site(format, names, "src/span.rs", 5);
            table.set_role(id, role);
            id
        };
        Self {
            begin: site(SiteRole::Begin, "round {} \u{202e}</script>\0".as_bytes(), "round,span"),
            end: site(SiteRole::End, b"end of span {span}", "span"),
            counter: site(SiteRole::Counter, b"depth\n = {}", "depth"),
        }
    }

    /// Spans that lie in each other, cut each other, lack an end or a begin, or end elsewhere; and a counter. Id 0 is one
    /// too.
    fn records(&self, log: &mut LogBuilder) {
        let mut of = |site: u32, id: u64, thread: Option<u32>, cpu: u16| {
            let kinds: &[_] =
                if site == self.begin { &[ArgumentKind::U8, ArgumentKind::U64] } else { &[ArgumentKind::U64] };
            let round = if site == self.begin { vec![id % 256] } else { Vec::new() };
            let words: Vec<u8> = round.into_iter().chain([id]).flat_map(u64::to_le_bytes).collect();
            log.record_of(Kind::Event, site, &payload(kinds, &words), Some((thread, cpu)));
        };
        let (one, other) = (Some(0x104), Some(0x208));
        // In each other, of a thread that changes its processor.
        for (site, id, cpu) in [(self.begin, 1, 0), (self.begin, 2, 1), (self.end, 2, 1), (self.end, 1, 2)] {
            of(site, id, one, cpu);
        }
        // Cutting each other, where no thread was asked.
        for (site, id) in [(self.begin, u64::MAX), (self.begin, 0), (self.end, u64::MAX), (self.end, 0)] {
            of(site, id, None, 3);
        }
        // Without an end; without a begin; ended by another thread, and then by its own; by another processor.
        of(self.begin, 10, one, 0);
        of(self.end, 11, one, 0);
        of(self.begin, 12, one, 0);
        of(self.end, 12, other, 0);
        of(self.end, 12, one, 4);
        of(self.begin, 13, None, 0);
        of(self.end, 13, None, 1);
        for value in [0, 7, 1 << 40, u64::MAX] {
            of(self.counter, value, other, 2);
        }
    }
}

/// A log with [`MANY`] sites, one event of each.
#[must_use]
pub fn many_sites(model: &Tables) -> Vec<u8> {
    let mut tables = model.clone();
    let mut table = TableBuilder::default();
    let name = |number: u32| format!("value_{}", number % 97);
    let sites: Vec<_> = (0..MANY)
        .map(|number| table.site(format!("site {number}: {{}}").as_bytes(), &name(number), "many.rs", number))
        .collect();
    tables.sites = Arc::new(SiteTable::parse(table.finish("many")));
    let mut log = LogBuilder::new(tables, 0);
    for (number, site) in (0_u64..).zip(sites) {
        log.record(Kind::Event, site, &payload(&[ArgumentKind::U64], &number.to_le_bytes()));
    }
    log.finish()
}

/// An argument of each kind that is a number, at its limits.
fn every_number(round: usize) -> (Vec<ArgumentKind>, Vec<u8>) {
    let mut kinds = Vec::new();
    let mut words = Vec::new();
    let unsigned = [0, 1, u64::MAX][round];
    let signed = [i64::MIN, -1, i64::MAX][round];
    let float = [f64::NAN, f64::NEG_INFINITY, -0.0][round];
    let single = [0.1_f32, f32::NAN, f32::INFINITY][round];
    let mut number = |kind: ArgumentKind, value: u64| {
        kinds.push(kind);
        words.extend(value.to_le_bytes());
        if kind.words() == 2 {
            words.extend((!value).to_le_bytes());
        }
    };
    for (kind, bits) in [(ArgumentKind::U8, 8), (ArgumentKind::U16, 16), (ArgumentKind::U32, 32)] {
        number(kind, unsigned & ((1 << bits) - 1));
    }
    for (kind, bits) in [(ArgumentKind::I8, 8), (ArgumentKind::I16, 16), (ArgumentKind::I32, 32)] {
        number(kind, (signed >> (64 - bits)).cast_unsigned());
    }
    for kind in [ArgumentKind::U64, ArgumentKind::Usize, ArgumentKind::U128, ArgumentKind::Pointer, ArgumentKind::Guid]
    {
        number(kind, unsigned);
    }
    for kind in [ArgumentKind::I64, ArgumentKind::Isize, ArgumentKind::I128] {
        number(kind, signed.cast_unsigned());
    }
    number(ArgumentKind::F64, float.to_bits());
    number(ArgumentKind::F32, single.to_bits().into());
    number(ArgumentKind::Bool, (round as u64) % 2);
    number(ArgumentKind::Char, [0x202e, 0, 0x1_f600][round]);
    number(ArgumentKind::Status, [0x103, 0xc000_0005, 0xdead_beef][round]);
    (kinds, words)
}

/// A string argument; `cut` bytes of it were not kept.
fn string(text: &[u8], cut: u32) -> Vec<u8> {
    let kept = text.len() as u32;
    let mut words = string_word(kept, kept + cut).to_le_bytes().to_vec();
    words.extend(text);
    words.resize(words.len().next_multiple_of(WORD), 0);
    words
}

fn utf16(text: &[u8]) -> Vec<u8> {
    let units: Vec<u8> = String::from_utf8_lossy(text).encode_utf16().flat_map(u16::to_le_bytes).collect();
    string(&units, 0)
}

fn blob(number: u32, bytes: &[u8]) -> Vec<u8> {
    let header = BlobHeader {
        tag: 0xffff_fff0.into(),
        blob: number.into(),
        total: (bytes.len() as u32 + 8).into(),
        offset: 8.into(),
    };
    [header.as_bytes(), bytes].concat()
}

/// An event's payload: kinds of the arguments, and the words of their values.
fn payload(kinds: &[ArgumentKind], values: &[u8]) -> Vec<u8> {
    let mut payload = vec![kinds.len() as u8];
    payload.extend(kinds.iter().map(|kind| kind.0));
    payload.resize(payload.len().next_multiple_of(WORD), 0);
    payload.extend(values);
    payload
}

/// Sites of one provider.
#[derive(Default)]
struct TableBuilder {
    sites: Vec<u8>,
}

/// Bytes of the entry before its sites: the header, and the longest name.
const ENTRY: usize = size_of::<ProviderHeader>() + 64;

impl TableBuilder {
    /// Adds a site; gives its id.
    fn site(&mut self, format: &[u8], names: &str, file: &str, line: u32) -> u32 {
        let id = ((ENTRY + self.sites.len()) / WORD) as u32;
        let module = "module::\u{202e}";
        let mut header = SiteHeader::new_zeroed();
        let body = [format, names.as_bytes(), module.as_bytes(), file.as_bytes()].concat();
        let size = (size_of::<SiteHeader>() + body.len()).next_multiple_of(WORD);
        header.magic.set(SITE_MAGIC);
        header.size.set(size as u32);
        header.line.set(line);
        header.level = Level::Warn.0;
        header.arguments = names.split(',').count() as u8;
        header.format.set(format.len() as u16);
        header.names.set(names.len() as u16);
        header.module.set(module.len() as u16);
        header.file.set(file.len() as u16);
        self.sites.extend(header.as_bytes());
        self.sites.extend(body);
        self.sites.resize(self.sites.len().next_multiple_of(WORD), 0);
        id
    }

    /// Says what events of a site stand for.
    fn set_role(&mut self, id: u32, role: SiteRole) {
        let at = id as usize * WORD - ENTRY + std::mem::offset_of!(SiteHeader, role);
        self.sites[at..at + 2].copy_from_slice(&role.0.to_le_bytes());
    }

    /// The table, with the provider's name.
    fn finish(self, name: &str) -> Vec<u8> {
        let mut header = ProviderHeader::new_zeroed();
        header.magic.set(PROVIDER_MAGIC);
        header.size.set((ENTRY + self.sites.len()) as u32);
        header.name_size.set(name.len() as u32);
        header.sites_offset.set(ENTRY as u32);
        header.sites_size.set(self.sites.len() as u32);
        header.level.set(Level::Trace.0.into());
        let mut entry = [header.as_bytes(), name.as_bytes()].concat();
        entry.resize(ENTRY, 0);
        entry.extend(self.sites);
        entry
    }
}

/// Records of all lanes, with gaps.
struct LogBuilder {
    tables: Tables,
    records: Vec<Vec<Record>>,
    next: Vec<u64>,
    first: u64,
    tick: u64,
    count: u64,
}

impl LogBuilder {
    /// With the lanes of these tables, whose first records have that number.
    fn new(tables: Tables, first: u64) -> Self {
        let lanes = tables.lanes.len();
        let tick = tables.header.tick_base.get();
        Self { tables, records: vec![Vec::new(); lanes], next: vec![first; lanes], first, tick, count: 0 }
    }

    /// Adds a record to the next lane. Levels, IRQLs, flags and ticks go round, so that each meets each; some ticks are
    /// equal, some go back, and the first ones are from before the start of the driver.
    fn record(&mut self, kind: Kind, site: u32, payload: &[u8]) {
        self.record_of(kind, site, payload, None);
    }

    /// The same, of a thread, if it was asked, and a processor.
    fn record_of(&mut self, kind: Kind, site: u32, payload: &[u8], writer: Option<(Option<u32>, u16)>) {
        let count = self.count;
        self.count += 1;
        let lane = (count % self.records.len() as u64) as usize;
        // Some records are missing before every seventh.
        if count.is_multiple_of(7) {
            self.next[lane] = self.next[lane].wrapping_add(1 + count % 3);
        }
        self.tick += [0, 1, 1000, 333][(count % 4) as usize];
        let back = if count % 11 == 10 { 500 } else { 0 };
        let early = if count < 4 { 100_000 } else { 0 };
        let mut header = RecordHeader::new_zeroed();
        header.size.set((HEADER_SIZE + payload.len()).next_multiple_of(WORD) as u16);
        header.kind = kind.0;
        header.level = (count % 7) as u8;
        header.irql = if count % 17 == 16 { 200 } else { (count % 16) as u8 };
        let has_thread = count.is_multiple_of(2);
        let rest = ((count % 64) as u16) << 1 & !flags::NO_THREAD;
        header.flags.set(rest | if has_thread { 0 } else { flags::NO_THREAD });
        header.thread.set(if has_thread { u32::MAX - 1 } else { 0 });
        header.process.set(if has_thread { 4 } else { 0 });
        header.processor.set((count % 5) as u16);
        if let Some((thread, cpu)) = writer {
            header.flags.set(if thread.is_some() { 0 } else { flags::NO_THREAD });
            header.thread.set(thread.unwrap_or_default());
            header.processor.set(cpu);
        }
        header.payload_size.set(payload.len() as u16);
        header.site.set(site);
        header.seq.set(self.next[lane]);
        header.tick.set(self.tick.saturating_sub(back + early));
        self.next[lane] = self.next[lane].wrapping_add(1);
        self.records[lane].push(Record { lane: lane as u32, header, payload: payload.to_vec(), late: false });
    }

    /// The image. What was written behind the last record of the second lane is lost too, and the first records of the
    /// third were cleared.
    fn finish(mut self) -> Vec<u8> {
        for (number, (lane, next)) in self.tables.lanes.iter_mut().zip(&self.next).enumerate() {
            lane.first_seq.set(self.first);
            lane.next_seq.set(next.wrapping_add(if number == 1 { 5 } else { 0 }));
            lane.floor.set(self.first.wrapping_add(if number == 2 { 3 } else { 0 }));
        }
        self.tables.header.sites_size.set(self.tables.sites.bytes().len() as u64);
        build(&self.tables, &self.records)
    }
}
