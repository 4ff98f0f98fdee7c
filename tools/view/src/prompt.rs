//! A line that is typed.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptKind {
    /// Options of `read`.
    Filter,
    /// A regular expression that is searched for.
    Search,
    /// A time to go to.
    Time,
    /// A file to export into.
    Export,
}

impl PromptKind {
    /// What stands before the line.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Filter => "filter (options of read): ",
            Self::Search => "search (regular expression): ",
            Self::Time => "go to (90, 5m, -5m, 14:05:30): ",
            Self::Export => "export to (NAME.html, .svg, .pftrace, .csv, .jsonl): ",
        }
    }
}

/// A line that is typed, with the place of the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What for.
    pub kind: PromptKind,
    text: Vec<char>,
    cursor: usize,
}

/// What a key does to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It is still typed.
    More,
    /// It was given up.
    Cancelled,
    /// It was entered.
    Entered(String),
}

impl Prompt {
    /// A line that begins with a text.
    pub fn new(kind: PromptKind, text: &str) -> Self {
        let text: Vec<_> = text.chars().collect();
        let cursor = text.len();
        Self { kind, text, cursor }
    }

    /// The part before the cursor, the character at it, and the part behind.
    pub fn parts(&self) -> (String, char, String) {
        let of = |part: &[char]| part.iter().collect();
        let (before, rest) = self.text.split_at(self.cursor);
        (of(before), rest.first().copied().unwrap_or(' '), of(rest.get(1..).unwrap_or_default()))
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Typed::Cancelled,
            KeyCode::Enter => return Typed::Entered(self.text.iter().collect()),
            KeyCode::Char('u') if has_control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char(_) if has_control && !key.modifiers.contains(KeyModifiers::ALT) => {}
            KeyCode::Char(character) => {
                self.text.insert(self.cursor, character);
                self.cursor += 1;
            }
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => {}
        }
        Typed::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited() {
        let mut prompt = Prompt::new(PromptKind::Search, "ab");
        let mut press = |code| prompt.key(KeyEvent::new(code, KeyModifiers::NONE));
        for code in [KeyCode::Left, KeyCode::Char('\u{e9}'), KeyCode::Home, KeyCode::Delete, KeyCode::Char('x')] {
            assert_eq!(press(code), Typed::More);
        }
        assert_eq!((press(KeyCode::End), press(KeyCode::Backspace)), (Typed::More, Typed::More));
        assert_eq!(press(KeyCode::Enter), Typed::Entered("x\u{e9}".to_owned()));
        assert_eq!(press(KeyCode::Esc), Typed::Cancelled);
        prompt.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(prompt.parts(), (String::new(), ' ', String::new()));
    }
}
