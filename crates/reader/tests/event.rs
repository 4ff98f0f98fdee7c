//! Events as a file has them: arguments of every kind out of their words, names, and the limits of a text.

use std::sync::Arc;

use irqlog_reader::{
    event::{DecodedArgument, EventView, MAX_TEXT, Mismatch, Value, arguments, mismatch, text},
    image::Tables,
    record::Record,
    sites::SiteTable,
};
use irqlog_shown::record::ShownRecord;
use irqlog_wire::{
    event::{ArgumentKind, MAX_ARGUMENTS, NEEDS_DRIVER, string_word},
    image::ImageHeader,
    record::{HEADER_SIZE, Kind, RecordHeader, WORD, flags},
    site::{PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader},
};
use zerocopy::{FromZeros, IntoBytes};

/// A payload: the kinds, then the words.
fn payload(kinds: &[ArgumentKind], words: &[u64]) -> Vec<u8> {
    let mut bytes = vec![kinds.len() as u8];
    bytes.extend(kinds.iter().map(|kind| kind.0));
    bytes.resize(bytes.len().next_multiple_of(WORD), 0);
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// The only argument of a kind with these words.
fn one(kind: ArgumentKind, words: &[u64]) -> DecodedArgument<'static> {
    let bytes = Vec::leak(payload(&[kind], words));
    let mut all = arguments(bytes);
    assert_eq!(all.len(), 1, "{kind:?}");
    all.remove(0)
}

#[test]
fn every_kind_is_made_of_its_words() {
    // What lies above a number's width does not count.
    const WORD_OF_ALL: u64 = 0xfedc_ba98_8765_43f1;
    let wide = u128::from(WORD_OF_ALL) | 7 << 64;
    for (kind, expected) in [
        (ArgumentKind::U8, Value::Unsigned(0xf1, 8)),
        (ArgumentKind::U16, Value::Unsigned(0x43f1, 16)),
        (ArgumentKind::U32, Value::Unsigned(0x8765_43f1, 32)),
        (ArgumentKind::U64, Value::Unsigned(WORD_OF_ALL.into(), 64)),
        (ArgumentKind::Usize, Value::Unsigned(WORD_OF_ALL.into(), 64)),
        (ArgumentKind::U128, Value::Unsigned(wide, 128)),
        (ArgumentKind::I8, Value::Signed(-15, 8)),
        (ArgumentKind::I16, Value::Signed(0x43f1, 16)),
        (ArgumentKind::I32, Value::Signed(i128::from(0x8765_43f1_u32.cast_signed()), 32)),
        (ArgumentKind::I64, Value::Signed(i128::from(WORD_OF_ALL.cast_signed()), 64)),
        (ArgumentKind::Isize, Value::Signed(i128::from(WORD_OF_ALL.cast_signed()), 64)),
        (ArgumentKind::I128, Value::Signed(wide.cast_signed(), 128)),
        (ArgumentKind::Bool, Value::Bool(true)),
        (ArgumentKind::Char, Value::Char(char::REPLACEMENT_CHARACTER)),
        (ArgumentKind::F32, Value::F32(f32::from_bits(0x8765_43f1))),
        (ArgumentKind::F64, Value::F64(f64::from_bits(WORD_OF_ALL))),
        (ArgumentKind::Pointer, Value::Pointer(WORD_OF_ALL)),
        (ArgumentKind::Status, Value::Status(0x8765_43f1)),
        (ArgumentKind::Guid, Value::Guid(wide.to_le_bytes())),
        (ArgumentKind(99), Value::Unknown(WORD_OF_ALL)),
    ] {
        let words = [WORD_OF_ALL, 7];
        let argument = one(kind, &words[..kind.words()]);
        assert_eq!((argument.kind, argument.cut), (kind, 0));
        assert_eq!(argument.value, expected, "{kind:?}");
    }
    assert_eq!(one(ArgumentKind::Bool, &[0]).value, Value::Bool(false));
    assert_eq!(one(ArgumentKind::Char, &[0xe9]).value, Value::Char('\u{e9}'));
}

#[test]
fn strings_know_what_they_had() {
    let bytes = u64::from_le_bytes(*b"ab\xff\0\0\0\0\0");
    let word = string_word(3, 10);
    assert_eq!(one(ArgumentKind::Str, &[word, bytes]).value, Value::Text("ab\u{fffd}".into()));
    assert_eq!(one(ArgumentKind::Str, &[word, bytes]).cut, 7);
    assert_eq!(one(ArgumentKind::Bytes, &[word, bytes]).value, Value::Bytes(b"ab\xff"));
    // A lone half of a pair is replaced, and an odd byte at the end is none.
    let wide = u64::from_le_bytes([0x68, 0, 0x00, 0xd8, 0x69, 0, 0x6a, 0]);
    assert_eq!(one(ArgumentKind::Utf16, &[string_word(7, 7), wide]).value, Value::Text("h\u{fffd}i".into()));
    // Fewer than were kept: no count of what is gone.
    assert_eq!(one(ArgumentKind::Str, &[string_word(2, 1), bytes]).cut, 0);
}

#[test]
fn arguments_end_where_the_payload_does() {
    let kinds = [ArgumentKind::U8, ArgumentKind::Str, ArgumentKind::U8];
    let whole = payload(&kinds, &[1, string_word(8, 8), 0x6161_6161_6161_6161, 2]);
    assert_eq!(arguments(&whole).len(), 3);
    // A head of one word, the number, the string's lengths, its bytes, the other number.
    for (words, there) in [(5, 3), (4, 2), (3, 1), (2, 1), (1, 0)] {
        assert_eq!(arguments(&whole[..words * WORD]).len(), there, "{words} words");
    }
    assert!(arguments(&[]).is_empty());
    // The mark of the driver is no part of the number.
    let mut marked = whole;
    marked[0] |= NEEDS_DRIVER as u8;
    assert_eq!(arguments(&marked).len(), 3);
    // The head of many arguments takes more words; more than there can be are not looked at.
    let many = payload(&[ArgumentKind::U8; MAX_ARGUMENTS + 1], &[7; MAX_ARGUMENTS + 1]);
    assert_eq!(arguments(&many).len(), MAX_ARGUMENTS);
    assert!(arguments(&many).iter().all(|argument| argument.value == Value::Unsigned(7, 8)));
}

/// Tables with one provider that has this site, and an event of it.
fn event(format: &str, names: &str, payload: &[u8]) -> (Tables, Record) {
    let parts = [format, names, "module", "file.c"];
    let mut site = SiteHeader::new_zeroed();
    let whole = (size_of::<SiteHeader>() + parts.concat().len()).next_multiple_of(WORD);
    site.magic.set(SITE_MAGIC);
    site.size.set(whole as u32);
    site.level = 3;
    for (field, part) in [&mut site.format, &mut site.names, &mut site.module, &mut site.file].into_iter().zip(parts) {
        field.set(part.len() as u16);
    }
    let mut site = [site.as_bytes(), parts.concat().as_bytes()].concat();
    site.resize(whole, 0);
    let mut entry = ProviderHeader::new_zeroed();
    entry.magic.set(PROVIDER_MAGIC);
    entry.size.set((size_of::<ProviderHeader>() + WORD + whole) as u32);
    entry.name_size.set(3);
    entry.sites_offset.set((size_of::<ProviderHeader>() + WORD) as u32);
    entry.sites_size.set(whole as u32);
    let table = [entry.as_bytes(), b"drv\0\0\0\0\0", &site].concat();
    let sites = Arc::new(SiteTable::parse(table));
    let tables = Tables { header: ImageHeader::new_zeroed(), processors: Vec::new(), lanes: Vec::new(), sites };
    let mut header = RecordHeader::new_zeroed();
    header.kind = Kind::Event.0;
    header.size.set((HEADER_SIZE + payload.len()) as u16);
    header.payload_size.set(payload.len() as u16);
    header.site.set(((size_of::<ProviderHeader>() + WORD) / WORD) as u32);
    (tables, Record { lane: 0, header, payload: payload.to_vec(), late: false })
}

#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "it is the format of a site")]
fn an_event_has_the_text_of_its_site_and_the_names_of_its_arguments() {
    let payload = payload(&[ArgumentKind::U8, ArgumentKind::U16, ArgumentKind::U8], &[1, 2, 3]);
    let (tables, mut record) = event("port {port:#x} of {} {}", "port,,", &payload);
    let view = EventView::of(&tables, &record).expect("an event");
    assert_eq!(view.provider.map(|name| name.raw().to_owned()).as_deref(), Some("drv"));
    assert_eq!(view.text().raw(), "port 0x1 of 1 2 [+ 3]");
    assert_eq!(view.names().collect::<Vec<_>>(), ["port", "", ""]);
    // Of a site that is in no table the arguments are left.
    record.header.site.set(4000);
    let view = EventView::of(&tables, &record).expect("an event");
    assert!(view.provider.is_none() && view.site.is_none());
    assert_eq!(view.text().raw(), "(unknown site) 1 2 3");
    assert_eq!(view.names().collect::<Vec<_>>(), ["", "", ""]);
    record.header.kind = Kind::Text.0;
    assert!(EventView::of(&tables, &record).is_none());
}

#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "they are formats of sites")]
fn the_hash_of_a_pointer_does_not_look_like_an_address() {
    let payload = payload(&[ArgumentKind::Pointer, ArgumentKind::Pointer], &[0xbeef, 0]);
    let (tables, mut record) = event("at {:p}, {:>20p}|{0:#p}", ",", &payload);
    let mut shown = |bits| {
        record.header.flags.set(bits);
        let shown = serde_json::to_value(ShownRecord::new(&tables, &record)).unwrap();
        let arguments: Vec<_> =
            shown["arguments"].as_array().unwrap().iter().map(|all| all["hashed"].clone()).collect();
        assert_eq!(shown["arguments"][0]["value"], "0xbeef", "JSON keeps the number");
        (shown["text"].as_str().unwrap().to_owned(), arguments[0] == true, arguments[1] == true)
    };
    let address = "at 0xbeef,                  0x0|0x000000000000beef".to_owned();
    assert_eq!(shown(flags::POINTERS_RAW), (address, false, false));
    // Null is never hashed.
    let hash = "at #000000000000beef,                  0x0|#000000000000beef".to_owned();
    assert_eq!(shown(flags::POINTERS_HASHED), (hash, true, false));
}

#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "they are formats of sites")]
fn a_format_finds_its_arguments_or_says_so() {
    let numbers =
        payload(&[ArgumentKind::U8, ArgumentKind::U8, ArgumentKind::Str], &[4, 3, string_word(4, 4), 0x6463_6261]);
    let arguments = arguments(&numbers);
    let shown = |format: &str| text(format, "a,b,c", &arguments);
    assert_eq!(shown("{} {} {} {}"), "4 3 abcd {?}");
    assert_eq!(shown("{1} {a} {nobody} {9}"), "3 4 {?} {?} [+ abcd]");
    // Width and precision out of arguments; a text is none.
    assert_eq!(shown("[{1:0$}] [{c:.b$}] [{a:c$}]"), "[   3] [abc] [4]");
    assert_eq!(shown("{:.*}|{}|"), "3|abcd|");
    // No argument is lost: what no hole takes follows.
    assert_eq!(shown("one {}"), "one 4 [+ 3, abcd]");
    assert_eq!(shown("{c} {}"), "abcd 4 [+ 3]");
    assert_eq!(shown("%d %s"), "%d %s [+ 4, 3, abcd]");
    assert_eq!(shown("[{2:.0$}]"), "[abcd] [+ 3]");
    assert_eq!(text("{2:.*}", "a,b,c", &arguments), "abcd [+ 3]");
    assert_eq!(shown("{} {"), "{} { 4 3 abcd");
    // More names than arguments: the others belong to nobody.
    assert_eq!(text("{d}", "a,b,c,d", &arguments), "{?} [+ 4, 3, abcd]");
}

#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "they are formats of sites")]
fn a_format_that_disagrees_with_its_arguments_is_known() {
    for (format, count, expected) in [
        ("{} {}", 2, None),
        ("{1} {0} {a}", 2, None),
        ("{:1$}", 2, None),
        ("{:.*}", 2, None),
        ("{{}} {}", 1, None),
        ("", 0, None),
        ("{} {}", 1, Some(Mismatch::Missing(1))),
        ("{} {nobody} {3}", 1, Some(Mismatch::Missing(2))),
        ("{}", 3, Some(Mismatch::Extra(2))),
        ("%d %s", 2, Some(Mismatch::Extra(2))),
        ("{:q}", 1, Some(Mismatch::Invalid)),
        ("{} {", 1, Some(Mismatch::Invalid)),
    ] {
        assert_eq!(mismatch(format, "a,b", count), expected, "{format:?} with {count}");
    }
    assert_eq!(Mismatch::Extra(1).to_string(), "1 argument has no placeholder");
}

#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "they are formats of sites")]
fn a_text_ends() {
    let payload = payload(&[ArgumentKind::U8], &[1]);
    let arguments = arguments(&payload);
    let exactly = "x".repeat(MAX_TEXT);
    assert_eq!(text(&exactly, "", &[]), exactly);
    let cut = text(&format!("{exactly}y"), "", &arguments);
    assert_eq!(cut, format!("{}...", &exactly[..MAX_TEXT - 3]));
    assert_eq!(MAX_TEXT, 8192);
    // The widest field; a wider one is as wide.
    for width in [4096, 4097, 60000] {
        assert_eq!(text(&format!("{{0:{width}}}"), "", &arguments).len(), 4096, "width {width}");
    }
    assert_eq!(text("{0:4095}", "", &arguments).len(), 4095);
    // Many pieces that leave nothing: 1024 of them are looked at.
    assert_eq!(text(&"{0:.0}".repeat(1024), "", &arguments), "1".repeat(1024));
    assert_eq!(text(&"{0:.0}".repeat(1025), "", &arguments), format!("{}...", "1".repeat(1024)));
    // A format that is wrong is shown as far as a text goes, and not in the middle of a character.
    let wrong = format!("{}\u{e9}{{", "x".repeat(MAX_TEXT - 1));
    let shown = text(&wrong, "", &arguments);
    assert!(shown.len() <= MAX_TEXT && shown.starts_with("xxx") && shown.ends_with("..."), "{} bytes", shown.len());
}
