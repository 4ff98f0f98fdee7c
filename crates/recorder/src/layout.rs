//! The layout of the ring image: where each part lies.
//!
//! The layout is arithmetic on a few numbers that the recorder keeps for itself. It never trusts offsets in the image.
//! [`memory`](crate::memory) writes what it computes.

use irqlog_wire::{
    image::{Engine, ImageHeader, lane_word, processor_word},
    record::WORD,
};

use crate::config::Config;

/// Words of the header, which everything else lies behind.
pub(crate) const HEADER_WORDS: usize = size_of::<ImageHeader>() / WORD;

/// The geometry of a ring image: which lanes it has, and where they lie.
///
/// | Engine | Lanes | NMI lane of processor `p` |
/// |---|---|---|
/// | `shared` | 0 is for all processors | `1 + p` |
/// | `percpu` | `p` is for processor `p` | `processors + p` |
///
/// For every processor that the machine can ever have there is a processor control, and a control for each of its
/// lanes. Only lanes of processors that were active at the start have data in the image. A processor that is added
/// later gets a piece of its own, which continues the image ([`Memory`](crate::memory::Memory)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    engine: Engine,
    processors: usize,
    active: usize,
    /// Lanes before the NMI lanes that have a control, and those of them that have data.
    main_lanes: usize,
    main_lanes_with_data: usize,
    /// Words of the shared lane, or of each processor lane: 2 to the power of this. So with the NMI lanes.
    main_bits: u32,
    nmi_bits: u32,
    sites_words: usize,
}

/// The smallest lane that a processor gets, however small `RingKiB` is and however many processors there are.
const SMALLEST_LANE_KIB: u32 = 16;

/// The values in the header that are not geometry: identity and time.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// PE machine type.
    pub machine: u32,
    /// Ticks per second.
    pub tick_frequency: u64,
    /// The current tick.
    pub tick: u64,
    /// The current system time, in units of 100 ns since 1601, UTC.
    pub time: u64,
    /// Version of the driver.
    pub version: [u16; 3],
}

impl Layout {
    /// Divides the memory that `config` grants. `active` processors run now, of at most `processors` ever.
    pub fn new(config: &Config, processors: usize, active: usize) -> Self {
        let processors = processors.max(1);
        let active = active.clamp(1, processors);
        let main_kib = match config.engine {
            Engine::PerCpu => config.ring_kib.checked_div(active as u32).unwrap_or(0).max(SMALLEST_LANE_KIB),
            _ => config.ring_kib,
        };
        let (main_lanes, main_lanes_with_data) = match config.engine {
            Engine::PerCpu => (processors, active),
            _ => (1, 1),
        };
        Self {
            engine: config.engine,
            processors,
            active,
            main_lanes,
            main_lanes_with_data,
            main_bits: bits_of_words(main_kib),
            nmi_bits: bits_of_words(config.nmi_lane_kib),
            sites_words: config.sites_kib as usize * (1024 / WORD),
        }
    }

    /// Number of words of the whole image.
    pub const fn words(&self) -> usize {
        self.sites() + self.sites_words
    }

    /// First word of the site table: behind everything else that was allocated at the start.
    pub(crate) const fn sites(&self) -> usize {
        self.tables_words() + self.main_data_words() + self.nmi_data_words()
    }

    /// Words of the site table.
    pub const fn sites_words(&self) -> usize {
        self.sites_words
    }

    /// Words of header and control tables, which INFO answers.
    pub const fn tables_words(&self) -> usize {
        self.lane_control(self.lanes())
    }

    /// The engine that the lanes are for.
    #[inline]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) const fn is_percpu(&self) -> bool {
        self.engine.0 == Engine::PerCpu.0
    }

    /// Main lanes that have a control: the shared one, or one for each processor.
    pub const fn main_lanes(&self) -> usize {
        self.main_lanes
    }

    /// Processors that have a control, and a control for their NMI lane.
    pub const fn processors(&self) -> usize {
        self.processors
    }

    /// Lanes that have a control: the main ones, then the NMI lanes.
    pub const fn lanes(&self) -> usize {
        self.main_lanes + self.processors
    }

    /// Words of a main lane: 2 to the power of this.
    pub const fn main_bits(&self) -> u32 {
        self.main_bits
    }

    /// Words of an NMI lane: 2 to the power of this.
    pub const fn nmi_bits(&self) -> u32 {
        self.nmi_bits
    }

    /// Words of data of all main lanes.
    pub const fn main_data_words(&self) -> usize {
        self.main_lanes_with_data << self.main_bits
    }

    /// Words of data of all NMI lanes.
    pub const fn nmi_data_words(&self) -> usize {
        self.active << self.nmi_bits
    }

    /// Processors that were active at the start.
    pub const fn active(&self) -> usize {
        self.active
    }

    /// Number of words of the piece of a processor that is added later: its main lane, if it has one, then its NMI
    /// lane.
    pub const fn piece_words(&self) -> usize {
        self.piece_main_words() + (1 << self.nmi_bits)
    }

    /// Number of words of the main lane in such a piece.
    pub const fn piece_main_words(&self) -> usize {
        if self.is_percpu() { 1 << self.main_bits } else { 0 }
    }

    /// First word of the piece of a processor that is added later, as if the image continued.
    pub(crate) const fn piece(&self, processor: usize) -> usize {
        self.words() + processor.saturating_sub(self.active) * self.piece_words()
    }

    /// First word of the control of a lane.
    pub(crate) const fn lane_control(&self, lane: usize) -> usize {
        HEADER_WORDS + self.processors * processor_word::COUNT + lane * lane_word::COUNT
    }

    /// First word of the data of a lane; `None` if the lane has no data.
    pub(crate) const fn lane_data(&self, lane: usize) -> Option<usize> {
        let main_at = self.tables_words();
        if lane < self.main_lanes_with_data {
            return Some(main_at + (lane << self.main_bits));
        }
        // A main lane without data gives a number that is far too large.
        let processor = lane.wrapping_sub(self.main_lanes);
        let nmi_at = main_at + self.main_data_words();
        if processor < self.active { Some(nmi_at + (processor << self.nmi_bits)) } else { None }
    }
}

/// The exponent of the largest power of two of words that fits into `kib` KiB.
const fn bits_of_words(kib: u32) -> u32 {
    // `ilog2` alone would bring a panic into the image.
    match (kib as usize * 1024 / WORD).checked_ilog2() {
        Some(bits) => bits,
        None => 0,
    }
}
