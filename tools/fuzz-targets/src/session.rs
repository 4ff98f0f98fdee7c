//! The answers of a driver, or of whatever says that it is one.

use arbitrary::Unstructured;
use irqlog_reader::{
    follow::Follower,
    live::LiveLog,
    session::{Session, SessionError, Settings, Source},
};
use irqlog_wire::{
    VERSION,
    ioctl::{self, BatchHeader, RawCursor, SitesHeader},
    record::Level,
};
use zerocopy::{FromZeros, IntoBytes};

use crate::image::{image_of, show};

/// More answers than this are refused, so that a driver that always has more comes to an end.
const MOST: usize = 300;

/// A driver made of bytes: its log is an image, and each answer is part of that, or anything.
struct Driver<'i> {
    input: Unstructured<'i>,
    image: Vec<u8>,
    answers: usize,
}

impl Source for Driver<'_> {
    fn control(&mut self, what: &'static str, code: u32, _: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        self.answers += 1;
        if self.answers > MOST {
            return Err(SessionError::Refused { what, status: 0xc000_0001 });
        }
        Ok(self.answer(code, output).unwrap_or_default())
    }
}

impl Driver<'_> {
    fn answer(&mut self, code: u32, output: usize) -> arbitrary::Result<Vec<u8>> {
        let input = &mut self.input;
        let mut answer = match code {
            ioctl::INFO => self.image.clone(),
            ioctl::READ => {
                let (records, length) = (input.int_in_range(0..=3)?, input.int_in_range(0..=160)?);
                let bytes = input.bytes(length)?;
                let mut header = BatchHeader::new_zeroed();
                (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
                header.records.set(bytes.len() as u32);
                header.count.set(records);
                header.flags.set(u32::from(input.ratio(1, 3)?));
                header.damaged.set(u32::from(input.arbitrary::<u8>()? / 128));
                header.next = RawCursor { seq: number(input)?.into(), position: number(input)?.into() };
                header.lost.set(number(input)?);
                header.cleared.set(number(input)?);
                header.next_seq.set(number(input)?);
                header.first_seq.set(number(input)?);
                header.barrier.set(number(input)?);
                [header.as_bytes(), bytes].concat()
            }
            ioctl::SITES => {
                let length = input.int_in_range(0..=200)?;
                let bytes = input.bytes(length)?;
                let header = SitesHeader {
                    major: VERSION.major.into(),
                    minor: VERSION.minor.into(),
                    bytes: (bytes.len() as u32).into(),
                    start_id: 0.into(),
                    size: number(input)?.into(),
                };
                [header.as_bytes(), bytes].concat()
            }
            _ => input.bytes(input.len().min(output))?.to_vec(),
        };
        answer.truncate(output);
        if input.ratio(1, 6)? {
            let at = input.choose_index(answer.len().max(1))?;
            if let Some(byte) = answer.get_mut(at) {
                *byte = input.arbitrary()?;
            }
        }
        Ok(answer)
    }
}

/// A number that is small, or near the largest.
fn number(input: &mut Unstructured<'_>) -> arbitrary::Result<u64> {
    let number: i8 = input.arbitrary()?;
    Ok(i64::from(number).cast_unsigned())
}

/// Asks everything that the reader asks, follows for a while, and saves.
///
/// # Panics
/// If what is saved is no image.
pub fn answers(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(image) = image_of(&mut input) else { return };
    let mut driver = Driver { input, image, answers: 0 };
    let mut session = Session::new(&mut driver);
    if let Ok(tables) = session.info() {
        let mut follower = Follower::new(tables.present());
        for _ in 0..3 {
            let Ok(round) = follower.round(&mut session) else { break };
            for record in round.records {
                show(&tables, &irqlog_reader::log::Item::Record(record));
            }
            for loss in round.losses {
                show(&tables, &irqlog_reader::log::Item::Loss(loss));
            }
            let _ = (follower.seen(), follower.accounts().count());
        }
    }
    if let Ok(mut log) = LiveLog::open(Session::new(&mut driver)) {
        crate::image::saved(&mut log);
    }
    let mut session = Session::new(&mut driver);
    let _ = session.wait(0);
    let _ = session.selftest();
    let _ = session.mark(Level::Info, "a mark");
    let _ = session.set_provider_level(1, 0, Level::Warn);
    let _ = session.configure(Settings::default());
}
