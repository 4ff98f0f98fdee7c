//! Hostile images for `irqlog decode` and `irqlog providers --file`, made out of a stored one.

#![allow(dead_code, reason = "each test uses a part of it")]

#[cfg(unix)]
pub mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use irqlog_reader::{image::Tables, record::Record, save::build, sites::SiteTable};
use irqlog_wire::{
    event::ArgumentKind,
    record::{HEADER_SIZE, Kind, Level, RecordHeader, WORD, flags},
    site::{PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader},
};
use zerocopy::{FromZeros, IntoBytes};

/// The first site of the only provider of [`with_site`].
pub struct Site<'a> {
    pub provider: &'a str,
    pub format: &'a str,
    pub file: &'a str,
    pub arguments: u8,
}

/// The folder of the stored images.
pub fn stored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/images")
}

/// Tables of the stored image with one lane, which is empty, and no sites.
pub fn tables() -> Tables {
    let bytes = fs::read(stored().join("format-1.1.irqlog")).unwrap();
    let mut tables = Tables::parse(&bytes).unwrap();
    tables.lanes.truncate(1);
    tables.header.lane_count.set(1);
    let lane = &mut tables.lanes[0];
    for field in [&mut lane.first_seq, &mut lane.next_seq, &mut lane.floor] {
        field.set(0);
    }
    tables.sites = Arc::default();
    tables
}

/// An image of those tables whose only lane holds those records.
pub fn with_records(tables: &Tables, records: Vec<Record>) -> Vec<u8> {
    build(tables, &[records])
}

/// A record of lane 0.
pub fn record(kind: Kind, seq: u64, site: u32, payload: &[u8]) -> Record {
    let mut header = RecordHeader::new_zeroed();
    header.size.set((HEADER_SIZE + payload.len()).next_multiple_of(WORD) as u16);
    header.kind = kind.0;
    header.level = Level::Info.0;
    header.flags.set(flags::NO_THREAD);
    header.payload_size.set(payload.len() as u16);
    header.site.set(site);
    header.seq.set(seq);
    Record { lane: 0, header, payload: payload.to_vec(), late: false }
}

/// An event's payload: kinds of the arguments, and the words of their values.
pub fn payload(kinds: &[ArgumentKind], values: &[u8]) -> Vec<u8> {
    let mut payload = vec![kinds.len() as u8];
    payload.extend(kinds.iter().map(|kind| kind.0));
    payload.resize(payload.len().next_multiple_of(WORD), 0);
    payload.extend(values);
    payload
}

/// A site table's entry: a name, whatever size the header says that it has, and sites.
pub fn entry(name: &[u8], name_size: usize, sites: &[u8]) -> Vec<u8> {
    let mut name = name.to_vec();
    name.resize(name.len().next_multiple_of(WORD), 0);
    let offset = size_of::<ProviderHeader>() + name.len();
    let mut header = ProviderHeader::new_zeroed();
    header.magic.set(PROVIDER_MAGIC);
    header.size.set((offset + sites.len()) as u32);
    header.name_size.set(name_size as u32);
    header.sites_offset.set(offset as u32);
    header.sites_size.set(sites.len() as u32);
    header.site_count.set(1);
    header.level.set(Level::Trace.0.into());
    [header.as_bytes(), &name, sites].concat()
}

/// A site as it lies in the table.
pub fn site(site: &Site<'_>) -> Vec<u8> {
    let body = [site.format, site.file].concat();
    let mut header = SiteHeader::new_zeroed();
    header.magic.set(SITE_MAGIC);
    header.size.set((size_of::<SiteHeader>() + body.len()).next_multiple_of(WORD) as u32);
    header.line.set(1);
    header.level = Level::Info.0;
    header.arguments = site.arguments;
    header.format.set(site.format.len() as u16);
    header.file.set(site.file.len() as u16);
    let mut bytes = [header.as_bytes(), body.as_bytes()].concat();
    bytes.resize(bytes.len().next_multiple_of(WORD), 0);
    bytes
}

/// An image with one provider that has one site, and an event of it for each payload.
pub fn with_site(of: &Site<'_>, payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut tables = tables();
    let id = (size_of::<ProviderHeader>() + of.provider.len()).div_ceil(WORD);
    tables.sites = Arc::new(SiteTable::parse(entry(of.provider.as_bytes(), of.provider.len(), &site(of))));
    let records = (0..).zip(payloads).map(|(seq, payload)| record(Kind::Event, seq, id as u32, payload));
    let records = records.collect();
    with_records(&tables, records)
}

/// Writes a file into the folder for tests; gives its path.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Runs irqlog.
pub fn irqlog<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_irqlog")).args(arguments).output().unwrap()
}
