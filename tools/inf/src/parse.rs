//! The syntax of INF files (Microsoft Learn, "General syntax rules for INF files"): sections in brackets, lines of
//! `key = value, value`, comments from a semicolon on, a backslash that continues a line, names without regard to case.

use anyhow::{Result, bail};

/// One line of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfEntry {
    /// The text before the equals sign; `None` if there is no sign.
    pub key: Option<String>,
    /// The values behind the equals sign, split at commas, without quotes.
    pub values: Vec<String>,
    /// Line in the file, from 1.
    pub line: usize,
}

/// A section. Sections of the same name are joined into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfSection {
    /// Its name.
    pub name: String,
    /// Line on which the first section of this name begins, from 1.
    pub line: usize,
    /// Its lines.
    pub entries: Vec<InfEntry>,
}

impl InfSection {
    /// The entries of a key.
    pub fn all<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s InfEntry> {
        self.entries.iter().filter(move |entry| entry.key.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(key)))
    }

    /// The first value of a key's first entry.
    pub fn value<'s>(&'s self, key: &'s str) -> Option<&'s str> {
        self.all(key).next()?.values.first().map(String::as_str)
    }
}

/// The parsed text of an INF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inf {
    /// Its sections, in their order.
    pub sections: Vec<InfSection>,
    /// Lines before the first section, and lines that cannot be parsed.
    pub stray: Vec<usize>,
}

impl Inf {
    /// A section by name.
    pub fn section(&self, name: &str) -> Option<&InfSection> {
        self.sections.iter().find(|section| section.name.eq_ignore_ascii_case(name))
    }
}

/// Decodes a file that is UTF-16 with a byte order mark, or UTF-8.
///
/// # Errors
/// If the file is neither.
pub fn decode(bytes: &[u8]) -> Result<String> {
    if let Some(wide) = bytes.strip_prefix(&[0xff, 0xfe]) {
        let units: Vec<u16> = wide.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        return Ok(String::from_utf16(&units)?);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.trim_start_matches('\u{feff}').to_owned()),
        Err(error) => bail!("it is neither UTF-16 with a byte order mark nor UTF-8: {error}"),
    }
}

/// Parses the text of an INF. Lines that cannot be parsed are kept in the result.
pub fn parse(text: &str) -> Inf {
    let mut inf = Inf::default();
    let mut current: Option<usize> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut whole = without_comment(line).to_owned();
        while let Some(before) = whole.strip_suffix('\\') {
            let next = lines.next().map_or("", |(_, next)| without_comment(next));
            whole = format!("{before}{next}");
        }
        let whole = whole.trim();
        if whole.is_empty() {
            continue;
        }
        if let Some(name) = whole.strip_prefix('[') {
            let Some(name) = name.strip_suffix(']') else {
                inf.stray.push(index + 1);
                continue;
            };
            let known = inf.sections.iter().position(|section| section.name.eq_ignore_ascii_case(name.trim()));
            current = Some(known.unwrap_or_else(|| {
                inf.sections.push(InfSection { name: name.trim().to_owned(), line: index + 1, entries: Vec::new() });
                inf.sections.len() - 1
            }));
        } else if let Some(section) = current {
            inf.sections[section].entries.push(entry(whole, index + 1));
        } else {
            inf.stray.push(index + 1);
        }
    }
    inf
}

/// The line up to a semicolon that is not in quotes, without spaces at its end.
fn without_comment(line: &str) -> &str {
    let mut is_quoted = false;
    let end = line.find(|character| {
        is_quoted ^= character == '"';
        character == ';' && !is_quoted
    });
    line[..end.unwrap_or(line.len())].trim_end()
}

fn entry(line: &str, number: usize) -> InfEntry {
    let mut is_quoted = false;
    let equals = line.find(|character| {
        is_quoted ^= character == '"';
        character == '=' && !is_quoted
    });
    let (key, rest) = match equals {
        Some(at) => (Some(line[..at].trim().to_owned()), &line[at + 1..]),
        None => (None, line),
    };
    InfEntry { key, values: fields(rest), line: number }
}

/// Splits a value at its commas; two quotes within quotes stand for one.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                push(&mut fields, '"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                trim_last(&mut fields);
                fields.push(String::new());
            }
            ' ' | '\t' if !is_quoted && fields.last().is_some_and(String::is_empty) => {}
            other => push(&mut fields, other),
        }
    }
    trim_last(&mut fields);
    fields
}

fn push(fields: &mut [String], character: char) {
    if let Some(last) = fields.last_mut() {
        last.push(character);
    }
}

fn trim_last(fields: &mut [String]) {
    if let Some(last) = fields.last_mut() {
        last.truncate(last.trim_end().len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_keys_and_fields() {
        let inf = parse("[A] ; x\nk = a, \"b;, \"\"c\" ; comment\nplain\n[b]\nl = 1 \\\n, 2\n[a]\nm=\n");
        let a = inf.section("a").expect("A");
        assert_eq!(a.entries.len(), 3);
        assert_eq!(a.entries[0].values, ["a", "b;, \"c"]);
        assert_eq!((a.entries[1].key.as_deref(), a.entries[1].values.as_slice()), (None, &["plain".to_owned()][..]));
        assert_eq!(inf.section("B").expect("b").entries[0].values, ["1", "2"]);
        assert_eq!(a.entries[2].line, 8);
        assert!(inf.stray.is_empty());
    }

    #[test]
    fn what_is_nowhere_is_stray() {
        assert_eq!(parse("x = 1\n[broken\n[a]\n").stray, [1, 2]);
    }

    #[test]
    fn both_encodings() {
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain("[A]".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(decode(&wide).expect("UTF-16"), "[A]");
        assert_eq!(decode(b"\xef\xbb\xbf[A]").expect("UTF-8"), "[A]");
        assert!(decode(&[0x5b, 0xff]).is_err());
    }
}
