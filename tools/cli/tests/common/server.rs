//! A server in the rig's place that answers out of an image, for as long as irqlog asks.

use std::{
    io::{Cursor, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

use irqlog_reader::{
    image,
    log::{self, Log},
    record::Record,
    saved::SavedLog,
};
use irqlog_rig_protocol::{AnswerFrame, RequestFrame};
use irqlog_wire::{
    VERSION,
    ioctl::{self, BatchHeader, ReadRequest, SitesHeader, SitesRequest},
    record::WORD,
};
use zerocopy::{FromBytes, IntoBytes};

/// Serves an image under a socket of that name; WAIT is never answered. Gives the socket's path.
pub fn serve(name: &str, bytes: Vec<u8>) -> PathBuf {
    serve_in_turn(name, vec![bytes])
}

/// Serves an image to each connection in turn, and the last one to all later connections. A connection whose image is
/// empty gets no answer at all.
pub fn serve_in_turn(name: &str, images: Vec<Vec<u8>>) -> PathBuf {
    // A socket's path has at most 108 bytes.
    let path = std::env::temp_dir().join(format!("irqlog-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for (turn, stream) in listener.incoming().enumerate() {
            let bytes = images[turn.min(images.len() - 1)].clone();
            std::thread::spawn(move || answer_all(&mut stream.unwrap(), &bytes));
        }
    });
    path
}

/// Serves that number of bytes of the answer to the opening of the device, and closes the connection. Gives the socket's
/// path.
pub fn serve_start_of_answer(name: &str, bytes: usize) -> PathBuf {
    let path = std::env::temp_dir().join(format!("irqlog-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let frame = AnswerFrame { status: 0.into(), output: 8.into() };
        let whole = [frame.as_bytes(), &[0; 8]].concat();
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(&whole[..bytes]);
        }
    });
    path
}

fn answer_all(stream: &mut UnixStream, image: &[u8]) {
    if !image.is_empty() {
        answer(stream, &[]);
    }
    let mut frame = [0; size_of::<RequestFrame>()];
    while stream.read_exact(&mut frame).is_ok() {
        let frame = RequestFrame::read_from_bytes(&frame).unwrap();
        let mut input = vec![0; frame.input.get() as usize];
        if stream.read_exact(&mut input).is_err() {
            return;
        }
        match frame.code.get() {
            ioctl::INFO => answer(stream, &image[..tables_size(image)]),
            ioctl::READ => answer(stream, &batch(image, &ReadRequest::read_from_bytes(&input).unwrap())),
            ioctl::SITES => answer(stream, &sites(image, SitesRequest::read_from_bytes(&input).unwrap())),
            // Pended for ever: the next read waits for the end of the connection.
            ioctl::WAIT => {}
            code => panic!("request {code:#x} is not expected"),
        }
    }
}

fn answer(stream: &mut UnixStream, output: &[u8]) {
    let frame = AnswerFrame { status: 0.into(), output: (output.len() as u32).into() };
    let _ = stream.write_all(&[frame.as_bytes(), output].concat());
}

fn tables_size(bytes: &[u8]) -> usize {
    let tables = image::Tables::parse(bytes).unwrap();
    let header = &tables.header;
    (header.lanes_offset.get() + header.lane_size.get() * header.lane_count.get()) as usize
}

/// Everything of the lane from the cursor on. Records that are missing before the first one are told as damaged.
fn batch(bytes: &[u8], request: &ReadRequest) -> Vec<u8> {
    let mut log = SavedLog::open(Cursor::new(bytes)).unwrap();
    let all = log::records(log.collect().unwrap());
    let tables = log.tables();
    let lane = request.lane.get() as usize;
    let is_first = request.flags.get() & ioctl::read_flags::FROM_START != 0;
    let start = if is_first { tables.lanes[lane].first_seq.get() } else { request.cursor.seq.get() };
    let is_wanted = |record: &&Record| record.lane == request.lane.get() && record.header.seq.get() >= start;
    let records: Vec<_> = all.iter().filter(is_wanted).collect();
    let damaged = records.first().map_or(0, |record| record.header.seq.get() - start);
    let mut data = Vec::new();
    for record in &records {
        data.extend_from_slice(record.header.as_bytes());
        data.extend_from_slice(&record.payload);
        data.resize(data.len().next_multiple_of(WORD), 0);
    }
    let next = tables.lanes[lane].next_seq;
    let header = BatchHeader {
        major: VERSION.major.into(),
        minor: VERSION.minor.into(),
        lane: request.lane,
        records: (data.len() as u32).into(),
        count: (records.len() as u32).into(),
        damaged: (damaged as u32).into(),
        start_id: tables.header.start_id,
        barrier: u64::MAX.into(),
        next: ioctl::RawCursor { seq: next, position: 0.into() },
        next_seq: next,
        first_seq: tables.lanes[lane].first_seq,
        ..BatchHeader::default()
    };
    [header.as_bytes(), &data].concat()
}

fn sites(bytes: &[u8], request: SitesRequest) -> Vec<u8> {
    let tables = image::Tables::parse(bytes).unwrap();
    let table = tables.sites.bytes();
    let rest = table.get(request.offset.get() as usize..).unwrap_or_default();
    let header = SitesHeader {
        major: VERSION.major.into(),
        minor: VERSION.minor.into(),
        bytes: (rest.len() as u32).into(),
        start_id: tables.header.start_id,
        size: (table.len() as u64).into(),
    };
    [header.as_bytes(), rest].concat()
}

/// The path as an argument.
pub fn argument(socket: &Path) -> &str {
    socket.to_str().unwrap()
}
