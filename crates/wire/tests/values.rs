//! Values that the crate works out, each with the value that is one off.

#![allow(clippy::literal_string_with_formatting_args, reason = "formats are a part of what this is about")]

use irqlog_wire::{
    Upgrade, VERSION, Version, bugcheck, crash,
    event::{ArgumentKind, head_word, string_word},
    format::{Align, Count, Hole, Piece, Style, Which, pieces},
    image::build_flags,
    ioctl::{ConfigureRequest, batch_flags, read_flags},
    irql,
    record::{HEADER_WORDS, MAX_BLOB, MAX_BLOB_PIECE, MAX_PAYLOAD, MAX_WORDS, flags},
    site::provider_word,
};
use zerocopy::IntoBytes;

#[test]
fn the_bug_check_has_these_parameters() {
    assert_eq!(bugcheck::parameters(3, None, 5), [3, 0, 5]);
    assert_eq!(bugcheck::parameters(1, Some(0), 2), [1, 1, 2]);
    assert_eq!(bugcheck::parameters(4, Some(7), 0), [4, 8, 0]);
    assert_eq!(bugcheck::parameters(2, Some(u32::MAX), u32::MAX), [2, 1 << 32, u32::MAX.into()]);
}

#[test]
fn sizes_in_words_and_bits_have_these_values() {
    let minor = VERSION.minor as u8;
    assert_eq!(crash::Anchor::VERSION.to_le_bytes(), [1, 0, minor, 0, 56, 0, 0, 0]);
    assert_eq!([crash::PART_HEADER_WORDS, crash::CHUNK_HEADER_WORDS], [11, 2]);
    assert_eq!([MAX_WORDS, HEADER_WORDS, MAX_PAYLOAD, MAX_BLOB_PIECE, MAX_BLOB], [128, 5, 984, 968, 65_536]);
    assert_eq!(provider_word::COUNT, 8);
    assert_eq!([build_flags::CHECKED, build_flags::RAW_POINTERS, build_flags::SAVED], [1, 2, 4]);
    assert_eq!([read_flags::FROM_START, batch_flags::MORE], [1, 1]);
    let of_records = [
        flags::NO_THREAD,
        flags::TRUNCATED,
        flags::NEVER_WAITS,
        flags::OWN,
        flags::USER,
        flags::POINTERS_HASHED,
        flags::POINTERS_RAW,
    ];
    assert_eq!(of_records, [1, 2, 4, 8, 16, 32, 64]);
    let nothing = [&[0xff; 12][..], &[0; 4]].concat();
    assert_eq!(ConfigureRequest::nothing().as_bytes(), nothing);
}

#[test]
fn each_level_has_its_name() {
    let names: Vec<_> = (0..16).map(irql::name).collect();
    let dirqls = (3..=12).map(|level| format!("DIRQL {level}"));
    let expected: Vec<_> = ["PASSIVE", "APC", "DISPATCH"].map(str::to_owned).into_iter().chain(dirqls).collect();
    assert_eq!(names[..13], expected);
    assert_eq!(names[13..], ["CLOCK", "IPI", "HIGH"]);
}

#[test]
fn a_reader_accepts_its_own_major_version_up_to_its_minor() {
    let reader = Version { major: 2, minor: 5 };
    let accepts = |major, minor| reader.accepts(Version { major, minor });
    assert_eq!([accepts(2, 5), accepts(2, 4), accepts(2, 0)], [Ok(()); 3]);
    assert_eq!([accepts(2, 6), accepts(3, 5), accepts(3, 0), accepts(3, 9)], [Err(Upgrade::Reader); 4]);
    assert_eq!([accepts(1, 5), accepts(1, 9), accepts(0, 0)], [Err(Upgrade::Writer); 3]);
}

#[test]
fn each_kind_of_argument_takes_these_words() {
    for kind in ArgumentKind::KNOWN.iter().copied() {
        let is_string = [ArgumentKind::Str, ArgumentKind::Bytes, ArgumentKind::Utf16].contains(&kind);
        let is_wide = [ArgumentKind::U128, ArgumentKind::I128, ArgumentKind::Guid].contains(&kind);
        assert_eq!(kind.is_string(), is_string, "{kind:?}");
        assert_eq!(kind.needs_driver(), is_string || kind == ArgumentKind::Pointer, "{kind:?}");
        assert_eq!(kind.words(), if is_wide { 2 } else { 1 }, "{kind:?}");
        assert_eq!(kind.call_words(), if is_wide || is_string { 2 } else { 1 }, "{kind:?}");
    }
    assert_eq!(
        [string_word(3, 5), string_word(0, 0), string_word(904, u32::MAX)],
        [0x5_0000_0003, 0, 0xffff_ffff_0000_0388]
    );
    // Only the first word says that there is something for irqlog.sys.
    let ten = [ArgumentKind::Str; 10];
    assert_eq!([head_word(&ten, 0), head_word(&ten, 1), head_word(&ten, 2)], [0x1414_1414_1414_148a, 0x14_1414, 0]);
}

fn only(format: &str) -> Hole<'_> {
    let all: Vec<_> = pieces(format).collect();
    match all[..] {
        [Ok(Piece::Hole(hole))] => hole,
        _ => panic!("{format}: {all:?}"),
    }
}

fn wrong(format: &str) -> (usize, &'static str) {
    let wrong = pieces(format).find_map(Result::err).unwrap_or_else(|| panic!("{format} is right"));
    (wrong.offset, wrong.what)
}

#[test]
fn each_style_and_alignment_is_known() {
    for (style, expected) in [
        ("", Style::Display),
        ("?", Style::Debug),
        ("x?", Style::DebugLowerHex),
        ("X?", Style::DebugUpperHex),
        ("x", Style::LowerHex),
        ("X", Style::UpperHex),
        ("o", Style::Octal),
        ("b", Style::Binary),
        ("e", Style::LowerExp),
        ("E", Style::UpperExp),
        ("p", Style::Pointer),
    ] {
        for (prefix, width) in
            [("", None), ("7", Some(Count::Number(7))), ("w$", Some(Count::Argument(Which::Name("w"))))]
        {
            let format = format!("{{:{prefix}{style}}}");
            let hole = only(&format);
            assert_eq!((hole.style, hole.width, hole.argument), (expected, width, Which::Next), "{format}");
            assert!(!hole.plus && !hole.alternate && !hole.zero && hole.align.is_none() && hole.precision.is_none());
        }
    }
    for (sign, align) in [('<', Align::Left), ('^', Align::Center), ('>', Align::Right)] {
        let (plain, filled) = (format!("{{:{sign}4}}"), format!("{{:{sign}{sign}4}}"));
        assert_eq!((only(&plain).fill, only(&plain).align), (' ', Some(align)));
        assert_eq!((only(&filled).fill, only(&filled).align), (sign, Some(align)));
        let brace = format!("{{:}}{sign}4}}");
        assert_eq!(
            (only(&brace).fill, only(&brace).align, only(&brace).width),
            ('}', Some(align), Some(Count::Number(4)))
        );
    }
}

#[test]
fn flags_and_counts_are_taken_in_their_order() {
    assert_eq!((only("{:+}").plus, only("{:-}").plus, only("{:#}").alternate), (true, false, true));
    let zero = only("{:05}");
    assert_eq!((zero.zero, zero.width), (true, Some(Count::Number(5))));
    let argument = only("{:0$}");
    assert_eq!((argument.zero, argument.width), (false, Some(Count::Argument(Which::Index(0)))));
    let both = only("{a_b:c_d$.e1$}");
    assert_eq!(both.argument, Which::Name("a_b"));
    assert_eq!(
        (both.width, both.precision),
        (Some(Count::Argument(Which::Name("c_d"))), Some(Count::Argument(Which::Name("e1"))))
    );
    assert_eq!(only("{:_w$}").width, Some(Count::Argument(Which::Name("_w"))));
    assert_eq!(only("{:12$x}").width, Some(Count::Argument(Which::Index(12))));
    assert_eq!(only("{ é : ^ }").argument, Which::Name("é"));
    assert_eq!(
        [only("{_}").argument, only("{_1}").argument, only("{17}").argument],
        [Which::Name("_"), Which::Name("_1"), Which::Index(17)]
    );
}

#[test]
fn pieces_follow_each_other_without_a_gap() {
    let all: Vec<_> = pieces("{{{}}}<{x}é}}").map(Result::unwrap).collect();
    let holes: Vec<_> =
        all.iter().filter_map(|piece| if let Piece::Hole(hole) = piece { Some(hole.argument) } else { None }).collect();
    let text: String = all.iter().map(|piece| if let Piece::Literal(text) = piece { *text } else { "#" }).collect();
    assert_eq!((text.as_str(), holes), ("{#}<#é}", vec![Which::Next, Which::Name("x")]));
    // A `}` with a colon before it and an alignment behind it is a fill only if another one ends the hole.
    let text: String = pieces("{:}{:}>3}.")
        .map(Result::unwrap)
        .map(|piece| if let Piece::Literal(text) = piece { text } else { "#" })
        .collect();
    assert_eq!(text, "##.");
    assert_eq!(pieces("").count(), 0);
    assert_eq!(pieces("{").count(), 1);
}

#[test]
fn each_error_has_its_place_and_its_sentence() {
    for (format, offset, part) in [
        ("ab{", 2, "without its `}`"),
        ("ab}{", 2, "without its `{`"),
        ("{{{:}<", 2, "without its `}`"),
        ("x{a b}", 1, "neither the number nor the name"),
        ("x{-}", 1, "neither the number nor the name"),
        ("x{1a}", 1, "neither the number nor the name"),
        ("x{a-b}", 1, "neither the number nor the name"),
        ("{}{:.}", 2, "no precision"),
        ("{}{:.x}", 2, "no precision"),
        ("{:$}", 0, "this is no format"),
        ("{:5$5}", 0, "this is no format"),
        ("{:xx}", 0, "this is no format"),
        ("{:99999999999999999999}", 0, "this is no format"),
    ] {
        let (found, what) = wrong(format);
        assert!(found == offset && what.contains(part), "{format}: {what} at {found}");
        assert_eq!(pieces(format).filter(Result::is_err).count(), 1, "{format} ends after its error");
        assert!(pieces(format).last().is_some_and(|piece| piece.is_err()), "{format}");
    }
}
