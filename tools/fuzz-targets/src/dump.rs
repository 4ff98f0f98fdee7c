//! Crash dumps: any bytes, and dumps of which a few bytes are something else than they should be.

use arbitrary::{Result, Unstructured};
use irqlog_dump::{find, is_dump};
use irqlog_makedump::{Block, Crashed, DumpVariety, write};
use irqlog_wire::{
    VERSION,
    crash::{ANCHOR_MAGIC, Anchor, ChunkHeader, GUID_BYTES, PART_MAGIC, PartHeader, StreamForm},
    record::WORD,
};
use zerocopy::IntoBytes;

use crate::{image, json, text::shown};

/// Looks for the log in a dump, and shows all that is in it.
///
/// # Panics
/// If a file that is no dump has a log, if the log is larger than the dump allows, or if what is shown holds what a
/// terminal obeys.
pub fn bytes(file: &[u8]) {
    let mut heard = 0;
    let found = find(&file, |done, total| {
        assert!(heard <= done && done <= total, "{done} of {total} bytes after {heard}");
        heard = done;
    });
    match found {
        Ok((header, log)) => {
            assert!(is_dump(file), "a log in what is no dump");
            json::object(&serde_json::json!({ "code": header.code, "origin": log.origin }));
            let most = 16 * file.len() + (64 << 20);
            assert!(log.image.len() <= most, "{} bytes of image from {} of dump", log.image.len(), file.len());
            image::bytes(&log.image);
        }
        Err(error) => shown(&error.to_string()),
    }
}

/// A dump of each kind, for either machine, in which the log is secondary data, or in memory only.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let image = include_bytes!("../../../testdata/images/format-1.1.irqlog").to_vec();
    let mut driver = vec![0x90; 0x1000];
    let anchor = anchor_of(&mut Unstructured::new(&[0xff; 64]), image.len()).unwrap_or_default();
    driver[0x800..0x800 + anchor.len()].copy_from_slice(&anchor);
    let memory = [(DRIVER, driver), (IMAGE, image.clone())];
    let blocks = [Block { guid: GUID_BYTES, bytes: image }];
    let all = DumpVariety::ALL.into_iter().flat_map(|kind| [(kind, 0x8664), (kind, 0xaa64)]);
    all.flat_map(|(kind, machine)| {
        [(&memory[..1], &blocks[..]), (&memory[..], &[])].map(|(memory, blocks)| {
            let (code, parameters) = (0xd1, [1, 2, 3, 4]);
            let added = memory;
            write(
                kind,
                &Crashed { code, parameters, machine, processors: 2, levels: 4, memory, modules: &[], added, blocks },
            )
        })
    })
    .collect()
}

/// Writes a dump of a driver with an image, changes a few bytes of it, and reads it.
pub fn parts(bytes: &[u8]) {
    if let Ok(file) = dump_of(&mut Unstructured::new(bytes)) {
        self::bytes(&file);
    }
}

/// Where the driver with its anchor lies, and where the image.
const DRIVER: usize = 0x7f00_0001_2000;
const IMAGE: usize = 0x7f12_3456_7000;
/// Where the numbers of a dump's header and of its directory lie: that is what is changed most.
const PLACES: [(usize, usize); 4] = [(0x0, 0x180), (0xf90, 0xfa0), (0x1040, 0x1060), (0x2000, 0x2100)];

fn dump_of(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind = *input.choose(&DumpVariety::ALL)?;
    let machine = *input.choose(&[0x8664, 0xaa64])?;
    let levels = input.int_in_range(4..=5)?;
    let image = image::image_of(input)?;
    let anchor = anchor_of(input, image.len())?;
    let mut driver = vec![0x90; 0x1000];
    driver[0x800..0x800 + anchor.len()].copy_from_slice(&anchor);
    let mut blocks = Vec::new();
    for _ in 0..input.int_in_range(0..=3)? {
        let guid = if input.ratio(7, 8)? { GUID_BYTES } else { input.arbitrary()? };
        blocks.push(Block { guid, bytes: block_of(input, &image)? });
    }
    let memory: Vec<_> = match input.int_in_range(0..=3)? {
        0 => Vec::new(),
        1 => vec![(IMAGE, image)],
        2 => vec![(DRIVER, driver)],
        _ => vec![(DRIVER, driver), (IMAGE, image)],
    };
    let crashed = Crashed {
        code: input.arbitrary()?,
        parameters: input.arbitrary()?,
        machine,
        processors: 2,
        levels,
        memory: &memory,
        modules: &[],
        added: &memory,
        blocks: &blocks,
    };
    let mut file = write(kind, &crashed);
    for _ in 0..input.int_in_range(0..=6)? {
        let (from, to) = if input.ratio(3, 4)? { *input.choose(&PLACES)? } else { (0, file.len()) };
        let at = input.int_in_range(from..=to)? / 4 * 4;
        let value: u32 = if input.arbitrary()? { input.arbitrary()? } else { input.arbitrary::<u8>()?.into() };
        file.iter_mut().skip(at).zip(value.to_le_bytes()).for_each(|(byte, new)| *byte = new);
    }
    let end = if input.ratio(1, 8)? { input.choose_index(file.len())? } else { file.len() };
    file.truncate(end);
    Ok(file)
}

fn anchor_of(input: &mut Unstructured<'_>, image: usize) -> Result<Vec<u8>> {
    let mut number = |usual: u64| -> Result<u64> { if input.ratio(1, 6)? { input.arbitrary() } else { Ok(usual) } };
    let anchor = Anchor {
        magic: ANCHOR_MAGIC,
        version: number(Anchor::VERSION)?.into(),
        image: number(IMAGE as u64)?.into(),
        image_size: number(image as u64)?.into(),
        // A table of pieces within the image: its words are the addresses.
        pieces: number(IMAGE as u64)?.into(),
        piece_count: number(0)?.into(),
        piece_size: number(4096)?.into(),
    };
    Ok(anchor.as_bytes().to_vec())
}

/// A block of secondary data: the image, or a part of a stream, or anything.
fn block_of(input: &mut Unstructured<'_>, image: &[u8]) -> Result<Vec<u8>> {
    let bytes = match input.int_in_range(0..=3)? {
        0 => return Ok(image.to_vec()),
        1 => chunks_of(input)?,
        2 => image.to_vec(),
        _ => {
            let length = input.int_in_range(0..=200)?;
            input.bytes(length)?.to_vec()
        }
    };
    let mut number = |usual: u64| -> Result<u64> { if input.ratio(1, 8)? { input.arbitrary() } else { Ok(usual) } };
    let length = bytes.len() as u64;
    let form = if bytes == image { StreamForm::Whole } else { StreamForm::Cut };
    let header = PartHeader {
        magic: PART_MAGIC,
        major: VERSION.major.into(),
        minor: VERSION.minor.into(),
        header_size: (number(size_of::<PartHeader>() as u64)? as u32).into(),
        start_id: number(0)?.into(),
        index: (number(0)? as u32).into(),
        count: (number(1)? as u32).into(),
        offset: number(0)?.into(),
        length: (number(length)? as u32).into(),
        form: (number(form.0.into())? as u32).into(),
        total: number(length)?.into(),
        records_left_out: number(0)?.into(),
        records: number(1)?.into(),
        allowed: number(4096)?.into(),
        kept: 8.into(),
        reserved: 0.into(),
    };
    Ok([header.as_bytes(), &bytes].concat())
}

/// A row of chunks with any bytes in them.
fn chunks_of(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut chunks = Vec::new();
    for _ in 0..input.int_in_range(0..=6)? {
        let kind: u32 = input.int_in_range(0..=6)?;
        let length = input.int_in_range(0..=30)? * WORD;
        let bytes = input.bytes(length)?;
        let length = if input.ratio(1, 8)? { input.arbitrary()? } else { length as u64 };
        let index = u32::from(input.int_in_range(0..=3_u8)?);
        let header = ChunkHeader { kind: kind.into(), index: index.into(), length: length.into() };
        chunks.extend([header.as_bytes(), bytes].concat());
    }
    Ok(chunks)
}
