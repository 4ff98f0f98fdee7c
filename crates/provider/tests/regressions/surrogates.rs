//! abseil #2119, servy #1993: UTF-16 that is cut keeps whole characters.

use irqlog_provider::{Utf16, info};
use irqlog_wire::record::flags;

use crate::{
    common::{self, last},
    logged,
};

/// The text of UTF-16, which is a character of one unit and then pairs, or pairs only.
fn cut(units: &[u16]) -> String {
    let texts = logged(|| info!("{}", Utf16(units)));
    assert_eq!(texts.len(), 1);
    texts.into_iter().next().unwrap()
}

#[test]
fn a_pair_is_kept_or_dropped_as_a_whole() {
    for before in 0..4 {
        let text = format!("{}{}", "a".repeat(before), "\u{1f600}".repeat(400));
        let units: Vec<_> = text.encode_utf16().collect();
        let shown = cut(&units);
        assert!(!shown.contains(char::REPLACEMENT_CHARACTER), "{before}: {shown}");
        let faces = shown.chars().filter(|&c| c == '\u{1f600}').count();
        assert!((230..=244).contains(&faces) && text.starts_with(shown.trim_end_matches('…')), "{before}: {faces}");
    }
}

#[test]
fn half_a_pair_that_was_never_whole_stays() {
    assert_eq!(cut(&[0x61, 0xd83d]), "a\u{fffd}");
    let mut units = vec![0x61; 2000];
    let kept = cut(&units).chars().filter(|&c| c == 'a').count();
    units[kept - 1] = 0xd83d;
    assert!(cut(&units).contains(char::REPLACEMENT_CHARACTER));
    // With its other half it is one that was cut.
    units[kept] = 0xde00;
    assert!(!cut(&units).contains(char::REPLACEMENT_CHARACTER));
    let _held = common::lock();
    assert_ne!(last().0.header.flags.get() & flags::TRUNCATED, 0);
}
