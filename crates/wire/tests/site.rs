//! Sites: what is one, and what is not.

use irqlog_wire::{
    event::{ArgumentKind, MAX_ARGUMENTS, NEEDS_DRIVER, head_word, head_words},
    record::Level,
    site::{Malformed, SITE_MAGIC, SiteHeader, sites},
};
use zerocopy::IntoBytes;

/// A site with these parts, filled up to a word.
fn site(format: &[u8], names: &[u8], module: &[u8], file: &[u8]) -> Vec<u8> {
    let parts = [format, names, module, file].concat();
    let header = SiteHeader {
        magic: SITE_MAGIC.into(),
        size: ((size_of::<SiteHeader>() + parts.len()).next_multiple_of(8) as u32).into(),
        line: 7.into(),
        level: Level::Warn.0,
        arguments: 2,
        role: 0.into(),
        format: (format.len() as u16).into(),
        names: (names.len() as u16).into(),
        module: (module.len() as u16).into(),
        file: (file.len() as u16).into(),
    };
    let mut bytes = [header.as_bytes(), &parts].concat();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

#[test]
fn sites_follow_each_other_with_zeros_between() {
    let first = site(b"port {}\0", b",status\0", b"a::b", b"a.rs");
    let second = site(b"", b"", b"", b"");
    let section = [&[0; 16][..], &first, &[0; 8], &second, &[0; 24]].concat();
    let found: Vec<_> = sites(&section).map(Result::unwrap).collect();
    assert_eq!(found.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [16, 24 + first.len()]);
    let (_, port) = found[0];
    assert_eq!((port.format, port.names), (&b"port {}"[..], &b",status"[..]), "the zeros of C literals do not count");
    assert_eq!((port.module, port.file, port.header.line.get()), (&b"a::b"[..], &b"a.rs"[..], 7));
    assert_eq!(sites(&[0; 64]).count(), 0);
    assert_eq!(sites(&[]).count(), 0);
}

#[test]
fn what_is_no_site_is_refused_where_it_lies() {
    let good = site(b"text", b"", b"m", b"f");
    let malformed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut section = [&good[..], &good].concat();
        let mut second = section.split_off(good.len());
        change(&mut second);
        section.extend(second);
        sites(&section).find_map(Result::err)
    };
    let at = Some(Malformed { offset: good.len() });
    assert_eq!(malformed(&|_| {}), None);
    assert_eq!(malformed(&|site| site[0] ^= 1), at, "magic");
    assert_eq!(malformed(&|site| site[4] += 8), at, "a size beyond the section");
    assert_eq!(malformed(&|site| site[4] = 0), at, "no size");
    assert_eq!(malformed(&|site| site[4] -= 1), at, "a size that is no multiple of eight");
    assert_eq!(malformed(&|site| site[12] = 0), at, "no level");
    assert_eq!(malformed(&|site| site[13] = MAX_ARGUMENTS as u8 + 1), at, "too many arguments");
    assert_eq!(malformed(&|site| site[13] = MAX_ARGUMENTS as u8), None);
    assert_eq!(malformed(&|site| site[16] = 200), at, "a part beyond the site");
    assert_eq!(malformed(&|site| site.truncate(20)), at, "cut off");
    assert_eq!(malformed(&|site| site.extend([0; 3])), Some(Malformed { offset: 2 * good.len() }), "no whole word");
}

#[test]
fn the_head_of_an_event_has_these_bytes() {
    assert_eq!([head_words(0), head_words(7), head_words(8), head_words(MAX_ARGUMENTS)], [1, 1, 2, 3]);
    assert_eq!(head_word(&[], 0), 0);
    assert_eq!(head_word(&[ArgumentKind::U8, ArgumentKind::F64], 0), 0x0010_0102);
    let nine = [ArgumentKind::Char; 9];
    assert_eq!((head_word(&nine, 0), head_word(&nine, 1)), (0x0e0e_0e0e_0e0e_0e09, 0x0e0e));
    assert_eq!(head_word(&[ArgumentKind::Str], 0), 0x1401 | NEEDS_DRIVER);
    assert_eq!(head_word(&[ArgumentKind::Bool, ArgumentKind::Pointer], 0), 0x0011_0d02 | NEEDS_DRIVER);
}
