//! Sites of this image: made at compile time, each in one piece, in a section of their own.

use irqlog_wire::{
    record::Level,
    site::{SITE_MAGIC, SiteHeader},
};

/// The bytes of a site, as they lie in the section.
#[derive(Debug)]
#[repr(C, align(8))]
pub struct SiteBytes<const SIZE: usize>([u8; SIZE]);

/// The size in bytes of a site with these parts: format, names, module, file.
#[must_use]
pub const fn site_size(parts: [&str; 4]) -> usize {
    let mut size = size_of::<SiteHeader>();
    let mut at = 0;
    while at < parts.len() {
        size += parts[at].len();
        at += 1;
    }
    size.next_multiple_of(8)
}

impl<const SIZE: usize> SiteBytes<SIZE> {
    /// Makes a site of these parts: format, names, module, file.
    ///
    /// # Panics
    /// At compile time, if a part is longer than 65535 bytes, or if `level` is not one of the five levels.
    #[must_use]
    pub const fn new(level: Level, arguments: u8, line: u32, parts: [&str; 4]) -> Self {
        assert!(level.name().is_some(), "the level is error, warn, info, debug or trace");
        let mut bytes = [0; SIZE];
        let mut at = put(&mut bytes, 0, &SITE_MAGIC.to_le_bytes());
        at = put(&mut bytes, at, &(SIZE as u32).to_le_bytes());
        at = put(&mut bytes, at, &line.to_le_bytes());
        at = put(&mut bytes, at, &[level.0, arguments, 0, 0]);
        let mut part = 0;
        while part < parts.len() {
            assert!(parts[part].len() <= u16::MAX as usize, "a format, a module or a file with more than 65535 bytes");
            at = put(&mut bytes, at, &(parts[part].len() as u16).to_le_bytes());
            part += 1;
        }
        part = 0;
        while part < parts.len() {
            at = put(&mut bytes, at, parts[part].as_bytes());
            part += 1;
        }
        Self(bytes)
    }

    /// The same site with a [`SiteRole`](irqlog_wire::site::SiteRole).
    #[must_use]
    pub const fn with_role(mut self, role: u16) -> Self {
        put(&mut self.0, core::mem::offset_of!(SiteHeader, role), &role.to_le_bytes());
        self
    }

    /// Address of the site's first byte.
    #[inline(always)]
    #[must_use]
    pub const fn start(&'static self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// The path of a source file relative to the first of the roots that it lies in; as it is if it lies in none.
///
/// The compiler gives an absolute path for files outside of the workspace: for packages of a registry, and for what a build
/// script has written. `/` and `\\` are the same here.
#[must_use]
pub const fn source_path(file: &'static str, roots: [Option<&'static str>; 3]) -> &'static str {
    let mut index = 0;
    while index < roots.len() {
        if let Some(root) = roots[index]
            && let Some(path) = below(file, root)
        {
            return path;
        }
        index += 1;
    }
    file
}

/// What is left of a path behind a folder.
const fn below(path: &'static str, folder: &str) -> Option<&'static str> {
    let (bytes, folder) = (path.as_bytes(), folder.as_bytes());
    let mut length = folder.len();
    while length > 0 && is_separator(folder[length - 1]) {
        length -= 1;
    }
    if length == 0 || length >= bytes.len() || !is_separator(bytes[length]) {
        return None;
    }
    let mut at = 0;
    while at < length {
        if bytes[at] != folder[at] && !(is_separator(bytes[at]) && is_separator(folder[at])) {
            return None;
        }
        at += 1;
    }
    while at < bytes.len() && is_separator(bytes[at]) {
        at += 1;
    }
    Some(path.split_at(at).1)
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Copies `from` to `bytes` at index `at`; the answer is the index behind the copy.
const fn put(bytes: &mut [u8], mut at: usize, from: &[u8]) -> usize {
    let mut index = 0;
    while index < from.len() {
        bytes[at] = from[index];
        at += 1;
        index += 1;
    }
    at
}

/// The ends of the section, a zero word at each: linkers sort the section's parts by the text behind the `$`.
#[cfg(not(unix))]
mod bounds {
    #[used]
    #[unsafe(link_section = ".irqs$a")]
    static FIRST: u64 = 0;
    #[used]
    #[unsafe(link_section = ".irqs$z")]
    static LAST: u64 = 0;

    /// Of the section.
    #[inline(always)]
    pub fn start() -> *const u8 {
        (&raw const FIRST).cast()
    }

    /// Behind the section.
    #[inline(always)]
    pub fn end() -> *const u8 {
        (&raw const LAST).wrapping_add(1).cast()
    }
}

/// The ends of the section on a Unix host, for tests and benchmarks: there the linker gives both ends a name.
#[cfg(unix)]
mod bounds {
    #[used]
    #[unsafe(link_section = "irqlog_sites")]
    static SOMETHING: u64 = 0;

    unsafe extern "C" {
        #[link_name = "__start_irqlog_sites"]
        static FIRST: u8;
        #[link_name = "__stop_irqlog_sites"]
        static BEHIND: u8;
    }

    /// Of the section.
    #[inline(always)]
    pub fn start() -> *const u8 {
        &raw const FIRST
    }

    /// Behind the section.
    #[inline(always)]
    pub fn end() -> *const u8 {
        &raw const BEHIND
    }
}

pub use bounds::start;

/// The section of this image's sites, with zero words between them.
#[must_use]
pub fn section() -> &'static [u8] {
    let (start, length) = (bounds::start(), bounds::end().addr() - bounds::start().addr());
    // SAFETY: the section of the image from its first byte to its last, which is never written.
    unsafe { core::slice::from_raw_parts(start, length) }
}

#[cfg(test)]
mod tests {
    use super::source_path;

    #[test]
    fn a_path_is_relative_to_the_first_root_that_it_lies_in() {
        for (file, roots, shown) in [
            ("/home/me/.cargo/nic-1.0/src/lib.rs", [None, Some("/home/me/.cargo/nic-1.0"), None], "src/lib.rs"),
            ("/home/me/ws/nic/src/lib.rs", [Some("/home/me/ws/"), Some("/home/me/ws/nic"), None], "nic/src/lib.rs"),
            ("/t/out/bindings.rs", [None, Some("/home/me/ws/nic"), Some("/t/out")], "bindings.rs"),
            (r"C:\me\nic\src\lib.rs", [None, Some("C:/me/nic"), None], r"src\lib.rs"),
            ("/home/me/nic2/src/lib.rs", [None, Some("/home/me/nic"), None], "/home/me/nic2/src/lib.rs"),
            ("crates/nic/src/lib.rs", [Some("/"), Some("/home/me/crates/nic"), Some("")], "crates/nic/src/lib.rs"),
            ("/home/me", [None, Some("/home/me"), None], "/home/me"),
        ] {
            assert_eq!(source_path(file, roots), shown);
        }
    }
}
