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

/// The geometry of a ring image: which lanes there are, and where.
///
/// | Engine | Lanes | NMI lane of processor `p` |
/// |---|---|---|
/// | `shared` | 0 is everyone's | `1 + p` |
/// | `percpu` | `p` is processor `p`'s | `processors + p` |
///
/// There is a processor control, and a control for each lane, for every processor that the machine can ever have; lanes
/// have data only for those that were active at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    engine: Engine,
    processors: usize,
    active: usize,
    /// Words of the shared lane, or of each processor lane.
    main_words: usize,
    nmi_words: usize,
}

/// The smallest lane that a processor gets, however small the budget and however many there are.
const SMALLEST_LANE_KIB: u32 = 16;

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
        let active = active.clamp(1, processors);
        let main_kib = match config.engine {
            Engine::PerCpu => config.ring_kib.checked_div(active as u32).unwrap_or(0).max(SMALLEST_LANE_KIB),
            _ => config.ring_kib,
        };
        Self {
            engine: config.engine,
            processors,
            active,
            main_words: power_of_two_words(main_kib),
            nmi_words: power_of_two_words(config.nmi_lane_kib),
        }
    }

    /// Words of the whole image.
    pub const fn words(&self) -> usize {
        self.tables_words() + self.main_lanes_with_data() * self.main_words + self.active * self.nmi_words
    }

    /// Words of header and control tables, which INFO answers.
    pub const fn tables_words(&self) -> usize {
        HEADER_WORDS + self.processors * processor_word::COUNT + self.lanes() * lane_word::COUNT
    }

    /// The engine.
    #[inline]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    const fn is_percpu(&self) -> bool {
        self.engine.0 == Engine::PerCpu.0
    }

    /// Lanes before the NMI lanes.
    const fn main_lanes(&self) -> usize {
        if self.is_percpu() { self.processors } else { 1 }
    }

    const fn main_lanes_with_data(&self) -> usize {
        if self.is_percpu() { self.active } else { 1 }
    }

    /// Lanes that have a control block.
    pub const fn lanes(&self) -> usize {
        self.main_lanes() + self.processors
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

    /// First word and words of a lane's data; none if it has no data.
    const fn lane_data(&self, lane: usize) -> Option<(usize, usize)> {
        let data = self.tables_words();
        if lane < self.main_lanes() {
            if lane < self.main_lanes_with_data() {
                Some((data + lane * self.main_words, self.main_words))
            } else {
                None
            }
        } else {
            let processor = lane - self.main_lanes();
            let nmi = data + self.main_lanes_with_data() * self.main_words;
            if processor < self.active { Some((nmi + processor * self.nmi_words, self.nmi_words)) } else { None }
        }
    }

    /// Index of the lane that the first log call on a processor writes: the shared one, or its own.
    #[inline]
    pub const fn main_lane(&self, processor: u32) -> usize {
        if self.is_percpu() { processor as usize } else { 0 }
    }

    /// Index of the NMI lane of a processor.
    #[inline]
    pub const fn nmi_lane(&self, processor: u32) -> usize {
        self.main_lanes() + processor as usize
    }

    /// A lane by its index, if it has data.
    #[inline]
    pub const fn lane<'m, M: Words + ?Sized>(&self, words: &'m M, lane: usize) -> Option<Lane<'m, M>> {
        match self.lane_data(lane) {
            Some((data, capacity)) => Some(Lane::new(words, self.lane_control(lane), data, capacity as u64)),
            None => None,
        }
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
            let mut control = LaneControl::new_zeroed();
            let (kind, processor) = match lane.checked_sub(self.main_lanes()) {
                Some(processor) => (LaneKind::Nmi, processor),
                None if self.is_percpu() => (LaneKind::Processor, lane),
                None => (LaneKind::Shared, 0),
            };
            control.kind = kind.0.into();
            control.processor = (processor as u32).into();
            if let Some((data, capacity)) = self.lane_data(lane) {
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
        header.engine = self.engine.0.into();
        header.lock = if self.is_percpu() { Lock::None } else { config.lock }.0.into();
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
