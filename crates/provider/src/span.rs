//! Spans: a begin and an end with one pair id.

use core::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    Level,
    argument::{Argument, Arguments},
    is_enabled, log,
    site::SiteBytes,
};

/// The pair id of the last span. An id is used once in an image, so a reader pairs by it alone.
static SPANS: AtomicU64 = AtomicU64::new(0);

/// Words of an event with the pair id as its only argument: its head, and the number.
const END_WORDS: usize = 3;

/// The guard of a span: its end is logged when this is dropped. IRQL: any.
///
/// It stays on the thread that made it.
#[derive(Debug)]
#[must_use = "the span ends when its guard is dropped: bind it, `let _span = span!(..)`"]
pub struct Span<const SIZE: usize> {
    end: &'static SiteBytes<SIZE>,
    level: Level,
    never_waits: bool,
    /// 0 if no begin was logged.
    id: u64,
    /// A raw pointer goes to no other thread.
    on_thread: PhantomData<*const ()>,
}

impl<const SIZE: usize> Span<SIZE> {
    /// The span with that pair id, which `span!` has begun.
    #[doc(hidden)]
    #[inline(always)]
    pub const fn new(end: &'static SiteBytes<SIZE>, level: Level, never_waits: bool, id: u64) -> Self {
        Self { end, level, never_waits, id, on_thread: PhantomData }
    }
}

impl<const SIZE: usize> Drop for Span<SIZE> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.id != 0 && is_enabled(self.level) {
            log::<END_WORDS, SIZE, _>(self.end, self.level, (&self.id, ()), self.never_waits);
        }
    }
}

/// Arguments with the pair id behind the last one.
pub trait WithId {
    /// The same with the id.
    type With<'i>: Arguments;
    /// Appends it.
    fn with(self, id: &u64) -> Self::With<'_>;
}

impl WithId for () {
    type With<'i> = (&'i u64, ());
    #[inline(always)]
    fn with(self, id: &u64) -> Self::With<'_> {
        (id, ())
    }
}

impl<'a, T: Argument + ?Sized, R: WithId> WithId for (&'a T, R) {
    type With<'i> = (&'a T, R::With<'i>);
    #[inline(always)]
    fn with(self, id: &u64) -> Self::With<'_> {
        (self.0, self.1.with(id))
    }
}

/// Logs the begin of a span, an event of at most `N` words, and gives its pair id. The caller has seen [`is_enabled`]
/// answer true. IRQL: any.
#[doc(hidden)]
#[inline(always)]
pub fn begin<const N: usize, const SIZE: usize, A: WithId>(
    site: &'static SiteBytes<SIZE>,
    level: Level,
    arguments: A,
    never_waits: bool,
) -> u64 {
    // No order is needed: only the number has to be new.
    let id = SPANS.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    log::<N, SIZE, _>(site, level, arguments.with(&id), never_waits);
    id
}
