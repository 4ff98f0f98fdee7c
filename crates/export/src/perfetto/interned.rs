//! Strings that are written once and then named by a number, as Perfetto's incremental state has them.

use std::collections::HashMap;

use super::messages::{InternedData, InternedString, SourceLocation};

/// The strings of one kind that were written.
#[derive(Debug, Default)]
struct Names(HashMap<String, u64>);

impl Names {
    /// The number of a string; `new` gets it if it was never written.
    fn number(&mut self, name: &str, new: &mut Vec<InternedString>) -> u64 {
        if let Some(&number) = self.0.get(name) {
            return number;
        }
        let number = self.0.len() as u64 + 1;
        self.0.insert(name.to_owned(), number);
        new.push(InternedString { iid: Some(number), name: Some(name.to_owned()) });
        number
    }
}

/// All of them, and those that the next packet has to bring.
#[derive(Debug, Default)]
pub(crate) struct Interned {
    categories: Names,
    events: Names,
    annotations: Names,
    places: HashMap<(String, u32), u64>,
    new: InternedData,
}

impl Interned {
    pub(crate) fn category(&mut self, name: &str) -> u64 {
        self.categories.number(name, &mut self.new.event_categories)
    }

    pub(crate) fn event(&mut self, name: &str) -> u64 {
        self.events.number(name, &mut self.new.event_names)
    }

    pub(crate) fn annotation(&mut self, name: &str) -> u64 {
        self.annotations.number(name, &mut self.new.debug_annotation_names)
    }

    pub(crate) fn place(&mut self, file: String, line: u32) -> u64 {
        let next = self.places.len() as u64 + 1;
        *self.places.entry((file, line)).or_insert_with_key(|(file, line)| {
            self.new.source_locations.push(SourceLocation {
                iid: Some(next),
                file_name: Some(file.clone()),
                line_number: Some(*line),
            });
            next
        })
    }

    /// What is new since the last call.
    pub(crate) fn take(&mut self) -> Option<InternedData> {
        let new = std::mem::take(&mut self.new);
        (new != InternedData::default()).then_some(new)
    }
}
