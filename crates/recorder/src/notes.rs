//! The texts of the records that irqlog.sys writes about its own settings: what was changed, and to what.
//!
//! A record carries thread and process of the program that asked, as far as Windows presents a request on its thread.

use irqlog_ring::{lock::RawLock, word::Word};
use irqlog_wire::{
    record::{Level, WORD},
    site::{ProviderHeader, provider_word},
};

use crate::{
    Platform, Recorder,
    memory::Memory,
    request::{Configure, ProviderLevel},
    sites::{Registry, SiteEntry},
    words::whole_characters,
};

/// Bytes of the longest note; a longer one is cut.
const ROOM: usize = 128;

/// A text that grows in place. It does not format, allocate or panic.
struct Note {
    room: [u8; ROOM],
    used: usize,
}

impl Note {
    const fn new() -> Self {
        Self { room: [0; ROOM], used: 0 }
    }

    fn push(&mut self, part: &[u8]) {
        for (place, byte) in self.room.iter_mut().skip(self.used).zip(part) {
            *place = *byte;
            self.used += 1;
        }
    }

    /// The text, without half a character at its end.
    fn text(&self) -> &[u8] {
        whole_characters(self.room.get(..self.used).unwrap_or_default())
    }
}

/// The name of a level, a policy or the like; `?` for a number without one.
fn name(name: Option<&'static str>) -> &'static [u8] {
    name.unwrap_or("?").as_bytes()
}

fn of_settings(configure: &Configure) -> Note {
    let mut note = Note::new();
    note.push(b"configured");
    let mut separator: &[u8] = b": ";
    let mut item = |what: &[u8], value: &[u8]| {
        for part in [separator, what, value] {
            note.push(part);
        }
        separator = b", ";
    };
    if let Some(level) = configure.level {
        item(b"level ", name(level.name()));
    }
    if let Some(policy) = configure.policy {
        item(b"policy ", name(policy.name()));
    }
    if configure.raw_pointers {
        item(b"", b"pointers are written as addresses until the driver stops");
    }
    match configure.paused {
        Some(true) => item(b"", b"paused"),
        Some(false) => item(b"", b"resumed"),
        None => {}
    }
    note
}

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// Writes a record that says what CONFIGURE changes. IRQL: any.
    pub fn note_settings(&self, configure: &Configure) {
        self.log_own(Level::Info, of_settings(configure).text());
    }

    /// Writes a record that says that a provider's level was changed, to what, and whose. IRQL: PASSIVE_LEVEL.
    pub fn note_provider_level(&self, registry: &Registry, request: &ProviderLevel) {
        let mut note = Note::new();
        for part in [b"configured: level " as &[u8], name(request.level.name()), b" of provider "] {
            note.push(part);
        }
        if let Some(entry) = registry.provider(request.first_site) {
            self.push_name(&mut note, entry);
        }
        self.log_own(Level::Info, note.text());
    }

    /// Writes a record that names a provider whose driver has unloaded without disconnecting. IRQL: PASSIVE_LEVEL.
    pub(crate) fn note_vanished(&self, entry: &SiteEntry) {
        let mut note = Note::new();
        note.push(b"unloaded without disconnecting: provider ");
        self.push_name(&mut note, entry);
        self.log_own(Level::Error, note.text());
    }

    fn push_name(&self, note: &mut Note, entry: &SiteEntry) {
        let word = |word| self.entry_word(entry, word, Word::load).unwrap_or_default();
        // Its lower half: the upper one is the offset of the sites.
        let mut left = (word(provider_word::NAME_SIZE) as u32 as usize).min(ROOM);
        for index in 0..left.div_ceil(WORD) {
            let bytes = word(size_of::<ProviderHeader>() / WORD + index).to_le_bytes();
            note.push(bytes.get(..left).unwrap_or(&bytes));
            left = left.saturating_sub(WORD);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use irqlog_wire::image::Policy;

    use super::*;

    #[test]
    fn a_note_says_what_was_changed() {
        let text =
            |configure: &Configure| std::string::String::from_utf8(of_settings(configure).text().to_vec()).unwrap();
        let all =
            Configure { level: Some(Level::Warn), policy: Some(Policy::Keep), paused: Some(false), raw_pointers: true };
        assert_eq!(
            text(&all),
            "configured: level warn, policy keep, pointers are written as addresses until the driver stops, resumed"
        );
        assert_eq!(text(&Configure { paused: Some(true), ..Configure::default() }), "configured: paused");
        assert_eq!(text(&Configure::default()), "configured");
    }

    #[test]
    fn a_note_that_is_too_long_is_cut_between_characters() {
        let mut note = Note::new();
        note.push("\u{e9}".repeat(ROOM).as_bytes());
        assert_eq!(note.text().len(), ROOM);
        let mut note = Note::new();
        note.push(b"a");
        note.push("\u{e9}".repeat(ROOM).as_bytes());
        assert_eq!((note.text().len(), note.used), (ROOM - 1, ROOM));
    }
}
