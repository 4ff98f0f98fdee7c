//! Format strings, taken apart.

#![allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]

use irqlog_wire::format::{Align, Count, Hole, Piece, Style, Which, pieces};

fn only(format: &str) -> Hole<'_> {
    match pieces(format).next() {
        Some(Ok(Piece::Hole(hole))) => hole,
        other => panic!("{format}: {other:?}"),
    }
}

#[test]
fn text_and_holes_come_in_order() {
    let (mut text, mut holes) = (String::new(), Vec::new());
    for piece in pieces("a {{b}} {0} c{name:?}") {
        match piece.unwrap() {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Hole(hole) => holes.push(hole.argument),
        }
    }
    assert_eq!(text, "a {b}  c");
    assert_eq!(holes, [Which::Index(0), Which::Name("name")]);
}

#[test]
fn every_part_of_a_spec_is_understood() {
    let hole = only("{port:*^+#012.3x}");
    assert_eq!((hole.argument, hole.fill, hole.align), (Which::Name("port"), '*', Some(Align::Center)));
    assert!(hole.plus && hole.alternate && hole.zero);
    assert_eq!((hole.width, hole.precision), (Some(Count::Number(12)), Some(Count::Number(3))));
    assert_eq!(hole.style, Style::LowerHex);
    let counts = only("{:width$.1$}");
    assert_eq!(counts.width, Some(Count::Argument(Which::Name("width"))));
    assert_eq!(counts.precision, Some(Count::Argument(Which::Index(1))));
    assert_eq!(only("{:0$}").width, Some(Count::Argument(Which::Index(0))));
    assert_eq!(only("{:.*e}").precision, Some(Count::Argument(Which::Next)));
    assert_eq!(only("{:}<5}").fill, '}');
    assert_eq!(only("{:X?}").style, Style::DebugUpperHex);
    assert_eq!(only("{:5x?}").width, Some(Count::Number(5)));
    assert_eq!((only("{:x}").width, only("{:x}").style), (None, Style::LowerHex));
}

#[test]
fn what_is_wrong_is_said_and_where() {
    for (format, offset) in [("ab {", 3), ("}", 0), ("a } b", 2), ("{:y}", 0), ("{!}", 0), ("x {:.}", 2), ("{0 1}", 0)]
    {
        let wrong = pieces(format).find_map(Result::err);
        assert_eq!(wrong.map(|wrong| wrong.offset), Some(offset), "{format}: {wrong:?}");
    }
}
