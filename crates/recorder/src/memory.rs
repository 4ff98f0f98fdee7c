//! The memory of a ring image: how it is first filled, and how the recorder finds its parts.
//!
//! The image as it was allocated at the start is one slice of words. Each processor that is added later gets a piece,
//! which continues the image: by its offsets piece 0 lies behind the image, piece 1 behind piece 0, all of the same
//! size, wherever they are in memory. Until a piece exists, its processor has no lane.

use irqlog_ring::{
    lane::{Geometry, Lane},
    word::Word,
};
use irqlog_wire::{
    VERSION,
    image::{
        ImageHeader, LaneControl, LaneKind, Lock, MAGIC, ProcessorControl, build_flags, header_word, lane_word,
        processor_word,
    },
    record::WORD,
};
use zerocopy::{FromZeros, IntoBytes};

use crate::{
    config::Config,
    layout::{HEADER_WORDS, Identity, Layout},
};

/// The words of the image and of its pieces.
pub trait Memory {
    /// The type of a word.
    type Word: Word;
    /// The image as it was allocated at the start.
    fn image(&self) -> &[Self::Word];
    /// Piece number `index`, of the processor that follows those of the start by `index`; `None` if it does not exist.
    fn added(&self, index: usize) -> Option<&[Self::Word]>;
}

/// Memory that never grows.
impl<W: Word> Memory for [W] {
    type Word = W;

    #[inline]
    fn image(&self) -> &[W] {
        self
    }

    #[inline]
    fn added(&self, _: usize) -> Option<&[W]> {
        None
    }
}

/// The parts of an image, found once, so that the record path does not search for them in each call.
pub(crate) struct ImageParts<'m, M: Memory + ?Sized> {
    memory: &'m M,
    pub header: &'m [M::Word; header_word::COUNT],
    pub processors: &'m [[M::Word; processor_word::COUNT]],
    pub main: LaneGroup<'m, M::Word>,
    pub nmi: LaneGroup<'m, M::Word>,
    pub sites: &'m [M::Word],
    layout: Layout,
}

/// Lanes of the same size, one behind the other: the main lanes, or the NMI lanes.
pub(crate) struct LaneGroup<'m, W> {
    /// The controls, one for each lane that can ever exist.
    controls: &'m [[W; lane_word::COUNT]],
    /// The data of the lanes that have data from the start, of one geometry.
    data: &'m [W],
    /// Number of lanes with data from the start; at most the number of controls.
    with_data: usize,
    geometry: Geometry,
    /// Bytes of a lane's data.
    stride: usize,
}

impl<'m, W: Word> LaneGroup<'m, W> {
    /// Makes the group whose first lanes have this data, 2 to the power of `bits` words each.
    fn new(controls: &'m [[W; lane_word::COUNT]], data: &'m [W], bits: u32) -> Option<Self> {
        let geometry = Geometry::of(1_usize.checked_shl(bits)?)?;
        let with_data = data.len().checked_shr(bits)?;
        let is_whole = with_data <= controls.len() && with_data << bits == data.len();
        is_whole.then_some(Self { controls, data, with_data, geometry, stride: geometry.words() * size_of::<W>() })
    }

    /// Number of lanes whose data is in the image.
    #[inline]
    pub const fn with_data(&self) -> usize {
        self.with_data
    }

    /// The control of the lane with this index.
    #[inline]
    pub fn control(&self, index: usize) -> Option<&'m [W; lane_word::COUNT]> {
        self.controls.get(index)
    }

    /// The control of the lane with this index.
    ///
    /// # Safety
    /// The index is below [`with_data`](Self::with_data).
    #[inline]
    pub unsafe fn control_unchecked(&self, index: usize) -> &'m [W; lane_word::COUNT] {
        // SAFETY: below `with_data`, which is at most the number of controls, by `new`.
        unsafe { self.controls.get_unchecked(index) }
    }

    /// The lane with this index in the group, if its data is in the image.
    #[inline]
    pub fn lane(&self, index: usize) -> Option<Lane<'m, W>> {
        // SAFETY: `index` is below `with_data`.
        (index < self.with_data).then(|| unsafe { self.lane_unchecked(index) })
    }

    /// The lane with this index in the group.
    ///
    /// # Safety
    /// The index is below [`with_data`](Self::with_data).
    #[inline]
    pub unsafe fn lane_unchecked(&self, index: usize) -> Lane<'m, W> {
        // SAFETY: as the caller promises.
        let control = unsafe { self.control_unchecked(index) };
        // SAFETY: as the caller promises.
        unsafe { self.lane_of(control, index) }
    }

    /// The same for a caller that has found the control already.
    ///
    /// # Safety
    /// The index is below [`with_data`](Self::with_data), and the control is that of the lane.
    #[inline]
    pub unsafe fn lane_of(&self, control: &'m [W; lane_word::COUNT], index: usize) -> Lane<'m, W> {
        // SAFETY: `data` has `with_data` times as many words as the geometry says, by `new`, so those of a lane below
        // `with_data` are among them. The bounds are not checked again because this is done for every record; in bytes,
        // because that is one multiplication.
        let first = unsafe { self.data.as_ptr().byte_add(index.wrapping_mul(self.stride)) };
        // SAFETY: as above.
        let data = unsafe { core::slice::from_raw_parts(first, self.geometry.words()) };
        // SAFETY: as many words as the geometry says.
        unsafe { Lane::with_geometry(control, data, self.geometry) }
    }
}

impl<'m, M: Memory + ?Sized> ImageParts<'m, M> {
    /// Finds the parts of the image by its layout; `None` if the memory is too small for it.
    pub fn new(memory: &'m M, layout: &Layout) -> Option<Self> {
        let (header, rest) = memory.image().split_first_chunk()?;
        let (processors, rest) = rest.split_at_checked(layout.processors() * processor_word::COUNT)?;
        let (main, rest) = rest.split_at_checked(layout.main_lanes() * lane_word::COUNT)?;
        let (nmi, rest) = rest.split_at_checked(layout.processors() * lane_word::COUNT)?;
        let (main_data, rest) = rest.split_at_checked(layout.main_data_words())?;
        let (nmi_data, rest) = rest.split_at_checked(layout.nmi_data_words())?;
        let sites = rest.get(..layout.sites_words())?;
        Some(Self {
            memory,
            header,
            processors: processors.as_chunks().0,
            main: LaneGroup::new(main.as_chunks().0, main_data, layout.main_bits())?,
            nmi: LaneGroup::new(nmi.as_chunks().0, nmi_data, layout.nmi_bits())?,
            sites,
            layout: *layout,
        })
    }

    /// The main lane with this index, if it has data.
    #[inline]
    pub fn main(&self, index: usize) -> Option<Lane<'m, M::Word>> {
        self.main.lane(index).or_else(|| self.main_of_piece(index))
    }

    /// The NMI lane of a processor, if it has data.
    #[inline]
    pub fn nmi(&self, processor: usize) -> Option<Lane<'m, M::Word>> {
        self.nmi.lane(processor).or_else(|| self.nmi_of_piece(processor))
    }

    /// The piece of a processor that was added later.
    fn piece(&self, processor: usize) -> Option<&'m [M::Word]> {
        self.memory.added(processor.checked_sub(self.layout.active())?)
    }

    #[cold]
    #[inline(never)]
    fn main_of_piece(&self, processor: usize) -> Option<Lane<'m, M::Word>> {
        let control = self.main.controls.get(processor)?;
        Lane::new(control, self.piece(processor)?.get(..self.layout.piece_main_words())?)
    }

    #[cold]
    #[inline(never)]
    fn nmi_of_piece(&self, processor: usize) -> Option<Lane<'m, M::Word>> {
        let control = self.nmi.controls.get(processor)?;
        Lane::new(control, self.piece(processor)?.get(self.layout.piece_main_words()..)?)
    }

    /// Enters the piece of a processor into the tables. The piece exists and is zeroed: a reader that looks before this
    /// is done sees an empty lane. Answers false if the piece does not exist, or the processor was there from the
    /// start.
    pub fn enter_piece(&self, processor: usize) -> bool {
        let lanes = [self.main_of_piece(processor), self.nmi_of_piece(processor)];
        let first = self.layout.piece(processor);
        let offsets = [first, first + self.layout.piece_main_words()].map(|words| (words * WORD) as u64);
        for (lane, offset) in lanes.iter().zip(offsets) {
            if let Some(lane) = lane {
                lane.control()[lane_word::DATA_OFFSET].store(offset);
                lane.initialise(0, 0);
            }
        }
        let end = ((first + self.layout.piece_words()) * WORD) as u64;
        let total = &self.header[header_word::TOTAL_SIZE];
        if end > total.load() && lanes[1].is_some() {
            total.store(end);
        }
        lanes[1].is_some()
    }

    /// The nesting count of a processor; `None` for a processor that there cannot be.
    #[inline]
    pub fn nesting(&self, processor: usize) -> Option<&'m M::Word> {
        if self.layout.is_percpu() {
            self.main.control(processor).map(|control| &control[lane_word::NESTING])
        } else {
            self.processors.get(processor).map(|control| &control[processor_word::NESTING])
        }
    }

    /// The lane with this index in the image, if it has data.
    pub fn lane(&self, lane: usize) -> Option<Lane<'m, M::Word>> {
        match lane.checked_sub(self.main.controls.len()) {
            None => self.main(lane),
            Some(processor) => self.nmi(processor),
        }
    }

    /// The index in the image of a processor's NMI lane.
    #[inline]
    pub const fn nmi_lane(&self, processor: u32) -> u32 {
        self.main.controls.len() as u32 + processor
    }

    /// Lanes that have a control.
    pub const fn lane_count(&self) -> usize {
        self.main.controls.len() + self.nmi.controls.len()
    }

    /// The image as it was allocated at the start, as far as the layout goes.
    pub fn words(&self) -> &'m [M::Word] {
        self.memory.image().get(..self.layout.words()).unwrap_or_default()
    }

    /// A word of the image, or of the pieces as if they lay behind it; zero for a piece that does not exist.
    pub fn word(&self, index: usize) -> u64 {
        if let Some(word) = self.words().get(index) {
            return word.load();
        }
        let behind = index.wrapping_sub(self.layout.words());
        let words = self.layout.piece_words();
        let piece = behind.checked_div(words).and_then(|piece| self.memory.added(piece));
        let offset = behind.checked_rem(words).unwrap_or(0);
        piece.and_then(|piece| piece.get(offset)).map_or(0, Word::load)
    }

    /// All lanes that have data.
    pub fn lanes(&self) -> impl Iterator<Item = Lane<'m, M::Word>> {
        (0..self.lane_count()).filter_map(|lane| self.lane(lane))
    }

    /// Header and control tables.
    pub fn tables(&self) -> &'m [M::Word] {
        self.memory.image().get(..self.layout.tables_words()).unwrap_or_default()
    }
}

impl Layout {
    /// Fills header and tables of zeroed memory. Called before anyone else sees the memory.
    pub fn initialise<W: Word>(&self, image: &[W], config: &Config, identity: &Identity) {
        let Some(parts) = ImageParts::new(image, self) else { return };
        store(image, 0, self.header(config, identity).as_bytes());
        for lane in 0..self.lanes() {
            let mut control = LaneControl::new_zeroed();
            let (kind, processor) = match lane.checked_sub(self.main_lanes()) {
                Some(processor) => (LaneKind::Nmi, processor),
                None if self.is_percpu() => (LaneKind::Processor, lane),
                None => (LaneKind::Shared, 0),
            };
            control.kind = kind.0.into();
            control.processor = (processor as u32).into();
            if let Some(first) = self.lane_data(lane) {
                control.data_offset = ((first * WORD) as u64).into();
            }
            store(image, self.lane_control(lane), control.as_bytes());
            if let Some(lane) = parts.lane(lane) {
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
        header.processor_count = (self.processors() as u32).into();
        header.active_processors = (self.active() as u32).into();
        header.lanes_offset = offset(self.lane_control(0));
        header.lane_size = (size_of::<LaneControl>() as u32).into();
        header.lane_count = (self.lanes() as u32).into();
        header.engine = self.engine().0.into();
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
        let checked = if cfg!(feature = "checked") { build_flags::CHECKED } else { 0 };
        let raw_pointers = if config.raw_pointers { build_flags::RAW_POINTERS } else { 0 };
        let no_ids = if config.ids { 0 } else { build_flags::NO_IDS };
        header.build_flags = (checked | raw_pointers | no_ids).into();
        header.sites_offset = ((self.sites() * WORD) as u64).into();
        header.level = u64::from(config.level.0).into();
        header.policy = u64::from(config.policy.0).into();
        header
    }
}

/// Stores whole words of bytes.
fn store<W: Word>(image: &[W], first: usize, bytes: &[u8]) {
    for (word, value) in image.get(first..).unwrap_or_default().iter().zip(bytes.as_chunks::<WORD>().0) {
        word.store(u64::from_le_bytes(*value));
    }
}
