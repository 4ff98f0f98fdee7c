//! Where everything lies in the ring image, and how it is first filled.
//!
//! All of it is arithmetic on a few numbers that the recorder keeps for itself: what lies in the image is never trusted
//! to find the way around it.

use irqlog_ring::{lane::Lane, words::Words};
use irqlog_wire::{
    VERSION,
    image::{
        Engine, ImageHeader, LaneControl, LaneKind, Lock, MAGIC, ProcessorControl, build_flags, lane_word,
        processor_word,
    },
    record::WORD,
};
use zerocopy::{FromZeros, IntoBytes};

use crate::config::Config;

const HEADER_WORDS: usize = size_of::<ImageHeader>() / WORD;

/// The geometry of a ring image with engine `shared`.
///
/// Lane 0 is the shared lane, lane `1 + p` the NMI lane of processor `p`. There is a processor control and a lane control for every processor the machine can ever have; NMI lanes have
/// data only for those that were active at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    processors: usize,
    active: usize,
    shared_words: usize,
    nmi_words: usize,
}

/// What is not geometry: identity and time.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// PE machine type.
    pub machine: u32,
    /// Ticks per second.
    pub tick_frequency: u64,
    /// Tick now.
    pub tick: u64,
    /// System time now, 100 ns since 1601, UTC.
    pub time: u64,
    /// Version of the driver.
    pub version: [u16; 3],
}

impl Layout {
    /// Divides the memory that `config` grants. `active` of at most `processors` processors are there.
    pub fn new(config: &Config, processors: usize, active: usize) -> Self {
        let processors = processors.max(1);
        Self {
            processors,
            active: active.clamp(1, processors),
            shared_words: power_of_two_words(config.ring_kib),
            nmi_words: power_of_two_words(config.nmi_lane_kib),
        }
    }

    /// Words of the whole image.
    pub const fn words(&self) -> usize {
        self.tables_words() + self.shared_words + self.active * self.nmi_words
    }

    /// Words of header and control tables, which INFO answers.
    pub const fn tables_words(&self) -> usize {
        HEADER_WORDS + self.processors * processor_word::COUNT + self.lanes() * lane_word::COUNT
    }

    /// Lanes that have a control block.
    pub const fn lanes(&self) -> usize {
        1 + self.processors
    }

    /// Index of the control words of a processor, if there is a control for it.
    #[inline]
    pub const fn processor(&self, processor: u32) -> Option<usize> {
        if (processor as usize) < self.processors {
            Some(HEADER_WORDS + processor as usize * processor_word::COUNT)
        } else {
            None
        }
    }

    /// Processors that have a control.
    pub const fn processors(&self) -> usize {
        self.processors
    }

    const fn lane_control(&self, lane: usize) -> usize {
        HEADER_WORDS + self.processors * processor_word::COUNT + lane * lane_word::COUNT
    }

    const fn lane_data(&self, lane: usize) -> (usize, usize) {
        let data = self.tables_words();
        if lane == 0 {
            (data, self.shared_words)
        } else {
            (data + self.shared_words + (lane - 1) * self.nmi_words, self.nmi_words)
        }
    }

    /// The shared lane.
    #[inline]
    pub const fn shared<'m, M: Words + ?Sized>(&self, words: &'m M) -> Lane<'m, M> {
        Lane::new(words, self.lane_control(0), self.lane_data(0).0, self.shared_words as u64)
    }

    /// The NMI lane of a processor, if it has one.
    #[inline]
    pub const fn nmi<'m, M: Words + ?Sized>(&self, words: &'m M, processor: u32) -> Option<Lane<'m, M>> {
        self.lane(words, 1 + processor as usize)
    }

    /// A lane by its index, if it has data.
    #[inline]
    pub const fn lane<'m, M: Words + ?Sized>(&self, words: &'m M, lane: usize) -> Option<Lane<'m, M>> {
        if lane > self.active {
            return None;
        }
        let (data, capacity) = self.lane_data(lane);
        Some(Lane::new(words, self.lane_control(lane), data, capacity as u64))
    }

    /// Index of the shared lane's statistics.
    #[inline]
    pub(crate) const fn shared_control(&self) -> usize {
        self.lane_control(0)
    }

    /// Fills header and tables of zeroed memory. Before anyone else sees it.
    pub fn initialise<M: Words + ?Sized>(&self, words: &M, config: &Config, identity: &Identity) {
        store(words, 0, self.header(config, identity).as_bytes());
        for lane in 0..self.lanes() {
            let has_data = lane <= self.active;
            let (data, capacity) = self.lane_data(lane);
            let mut control = LaneControl::new_zeroed();
            control.kind = if lane == 0 { LaneKind::Shared.0 } else { LaneKind::Nmi.0 }.into();
            control.processor = (lane.saturating_sub(1) as u32).into();
            if has_data {
                control.data_offset = ((data * WORD) as u64).into();
                control.data_words = (capacity as u64).into();
            }
            store(words, self.lane_control(lane), control.as_bytes());
            if let Some(lane) = self.lane(words, lane) {
                lane.initialise(0, 0);
            }
        }
    }

    fn header(&self, config: &Config, identity: &Identity) -> ImageHeader {
        let mut header = ImageHeader::new_zeroed();
        let offset = |words: usize| ((words * WORD) as u32).into();
        header.magic = MAGIC;
        header.major = VERSION.major.into();
        header.minor = VERSION.minor.into();
        header.header_size = (size_of::<ImageHeader>() as u32).into();
        header.total_size = ((self.words() * WORD) as u64).into();
        header.processors_offset = offset(HEADER_WORDS);
        header.processor_size = (size_of::<ProcessorControl>() as u32).into();
        header.processor_count = (self.processors as u32).into();
        header.active_processors = (self.active as u32).into();
        header.lanes_offset = offset(self.lane_control(0));
        header.lane_size = (size_of::<LaneControl>() as u32).into();
        header.lane_count = (self.lanes() as u32).into();
        header.engine = Engine::Shared.0.into();
        header.lock = Lock::Kernel.0.into();
        header.machine = identity.machine.into();
        header.tick_frequency = identity.tick_frequency.into();
        header.tick_base = identity.tick.into();
        header.time_base = identity.time.into();
        // Two starts differ in time or, within the clock's resolution, in ticks since boot.
        header.start_id = identity.time.rotate_left(20).wrapping_add(identity.tick).into();
        for (field, part) in header.driver_version.iter_mut().zip(identity.version) {
            *field = part.into();
        }
        header.build_flags = if cfg!(feature = "checked") { build_flags::CHECKED } else { 0 }.into();
        header.level = u64::from(config.level.0).into();
        header.policy = u64::from(config.policy.0).into();
        header
    }
}

/// KiB in words, rounded down to a power of two.
const fn power_of_two_words(kib: u32) -> usize {
    let words = kib as usize * 1024 / WORD;
    // `ilog2` alone would bring a panic into the image.
    match words.checked_ilog2() {
        Some(bits) => 1 << bits,
        None => 1,
    }
}

/// Stores whole words of bytes.
fn store<M: Words + ?Sized>(words: &M, first: usize, bytes: &[u8]) {
    for (offset, chunk) in bytes.chunks_exact(WORD).enumerate() {
        let mut word = [0; WORD];
        word.copy_from_slice(chunk);
        words.store(first + offset, u64::from_le_bytes(word));
    }
}
