//! Symbol names out of the map file that the linker writes beside an image.

use std::path::Path;

/// Names by relative address, sorted.
#[derive(Debug, Default)]
pub struct Symbols(Vec<(usize, String)>);

impl Symbols {
    /// Reads a map file of lld-link or link.exe; `None` if there is none.
    pub fn read(path: &Path, image_base: u64) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let mut symbols: Vec<(usize, String)> = text.lines().filter_map(|line| symbol(line, image_base)).collect();
        symbols.sort();
        symbols.dedup_by_key(|(address, _)| *address);
        Some(Self(symbols))
    }

    /// The symbol that an address lies in, and how far behind its start.
    pub fn at(&self, rva: usize) -> Option<(&str, usize)> {
        let index = self.0.partition_point(|&(start, _)| start <= rva).checked_sub(1)?;
        let (start, name) = &self.0[index];
        Some((name, rva - start))
    }
}

/// `section:offset  name  address  object` with the address as 16 hexadecimal digits.
fn symbol(line: &str, image_base: u64) -> Option<(usize, String)> {
    let mut fields = line.split_whitespace();
    let place = fields.next()?;
    let name = fields.next()?;
    let address = fields.next()?;
    if place.len() != 13 || place.as_bytes()[4] != b':' || address.len() != 16 {
        return None;
    }
    let address = u64::from_str_radix(address, 16).ok()?;
    let plain = format!("{:#}", rustc_demangle::demangle(name));
    Some((address.checked_sub(image_base)? as usize, plain))
}
