//! Events come out as `format!` would have shown them: every kind, every flag, by the macros, the recorder and the reader.

mod common;

use common::{connect, last, lock};
use irqlog_provider::{Guid, Status, Utf16};
use irqlog_wire::record::flags;

/// Logs, and compares what the reader shows with what `format!` does.
macro_rules! same {
    ($($call:tt)+) => {{
        irqlog_provider::info!($($call)+);
        assert_eq!(last().1, format!($($call)+), "{}", stringify!($($call)+));
    }};
}

/// The same for a list of formats.
macro_rules! each {
    ($value:expr; $($format:literal)+) => {{
        let value = $value;
        $(same!($format, value);)+
    }};
}

macro_rules! integers {
    ($($type:ty)+) => {$({
        for number in [0 as $type, 1, 7, 42, <$type>::MIN, <$type>::MAX, <$type>::MAX / 3, <$type>::MIN / 2 + 1] {
            each!(number; "{}" "{:?}" "{:x}" "{:X}" "{:o}" "{:b}" "{:e}" "{:E}" "{:x?}" "{:X?}" "{:#?}" "{:#x?}"
                "{:+}" "{:#x}" "{:#X}" "{:#o}" "{:#b}" "{:+x}" "{:+#x}" "{:010}" "{:+010}" "{:#010x}" "{:#012b}" "{:#06o}"
                "{:5}" "{:<5}" "{:^5}" "{:>5}" "{:*<9}" "{:-^9}" "{:\u{e9}>9}" "{:+9}" "{:#9x}" "{:<09}" "{:*^+#012x}"
                "{:.2}" "{:.2e}" "{:+.0E}" "{:12.3e}" "{:012.3e}" "{:0}" "{:1}" "{:00}" "{:}<9}" "{:-}" "{:020?}" "{:0200}");
        }
    })+};
}

#[test]
fn integers_look_as_format_shows_them() {
    let _held = lock();
    connect();
    integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
}

#[test]
fn floats_look_as_format_shows_them() {
    let _held = lock();
    connect();
    macro_rules! floats {
        ($($type:ty)+) => {$(
            for number in [0.0, -0.0, 1.0, -1.5, 1e-9, 1e21, 3.25, <$type>::MAX, <$type>::MIN_POSITIVE, <$type>::NAN,
                <$type>::INFINITY, <$type>::NEG_INFINITY] as [$type; 12]
            {
                each!(number; "{}" "{:?}" "{:e}" "{:E}" "{:+}" "{:+?}" "{:.0}" "{:.3}" "{:.3?}" "{:.3e}" "{:8}" "{:<8}" "{:^8}"
                    "{:*>12}" "{:08}" "{:+08.2}" "{:012e}" "{:#?}" "{:#}" "{:08?}" "{:_^+12.1}");
            }
        )+};
    }
    floats!(f32 f64);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_value_it_looks_as_format_shows_it(
        unsigned: u128,
        signed: i128,
        shift in 0..128_u32,
        double: f64,
        single: f32,
        text: String,
        character: char,
        bytes: Vec<u8>,
        width in 0..40_usize,
        precision in 0..12_usize,
    ) {
        let _held = lock();
        connect();
        // Not only the largest of each type.
        let (unsigned, signed) = (unsigned >> shift, signed >> shift);
        same!("{unsigned} {unsigned:#x} {unsigned:0width$b} {} {:X?}", unsigned as u8, unsigned as u32);
        same!("{signed} {signed:x} {:+} {:#o} {:width$e}", signed as i16, signed as i64, signed as isize);
        same!("{double} {double:?} {double:.precision$} {double:+width$.precision$e} {double:0width$}");
        same!("{single} {single:?} {single:.*e} {single:>width$}", precision);
        let text: &str = text.chars().take(60).collect::<String>().leak();
        same!("{text} {text:?} {text:^width$.precision$} {character} {character:?} {character:>width$}");
        let bytes = &bytes[..bytes.len().min(40)];
        same!("{bytes:?} {bytes:#x?} {:03X?}", bytes);
    }
}

#[test]
fn text_looks_as_format_shows_it() {
    let _held = lock();
    connect();
    for text in ["", "a", "two words", "\u{e9}\u{4e16}\u{1f600}", "quote \" \\ \n \u{7}"] {
        each!(text; "{}" "{:?}" "{:5}" "{:<5}" "{:^5}" "{:>5}" "{:*^15}" "{:.3}" "{:.0}" "{:8.2}" "{:05}" "{:+}" "{:#}" "{:#?}"
            "{:20?}" "{:.1?}" "{:x?}" "{:>20.4}");
    }
    for character in ['a', '\u{e9}', '\'', '\n', '\u{10ffff}'] {
        each!(character; "{}" "{:?}" "{:5}" "{:>5}" "{:*^5}" "{:.0}" "{:5?}" "{:#?}" "{:05}");
    }
    for value in [true, false] {
        each!(value; "{}" "{:?}" "{:8}" "{:>8}" "{:.2}" "{:-^9?}" "{:08}" "{:#?}");
    }
    let bytes: [&[u8]; 3] = [&[], &[0], &[1, 20, 255]];
    for value in bytes {
        each!(value; "{:?}" "{:x?}" "{:X?}" "{:#?}" "{:#x?}" "{:02x?}" "{:4?}" "{:#04x?}" "{:*<3?}");
    }
}

#[test]
fn pointers_look_as_format_shows_them() {
    let _held = lock();
    connect();
    for address in [0_usize, 8, 0xffff_8000_1234_5678] {
        let pointer = std::ptr::without_provenance::<u8>(address);
        each!(pointer; "{:p}" "{:?}" "{:20p}" "{:<20p}" "{:#p}" "{:#24p}" "{:024p}" "{:*^30p}" "{:#?}");
        same!("{:p}", pointer.cast_mut());
    }
    let (record, _) = last();
    assert_eq!(record.header.flags.get() & flags::POINTERS_RAW, flags::POINTERS_RAW);
}

#[test]
fn arguments_are_found_by_place_name_and_capture() {
    let _held = lock();
    connect();
    let (port, status, width, precision, pi) = (80_u16, 0x1f_u32, 12_usize, 2_usize, 12.375_f64);
    same!("no arguments");
    same!("{{}} {{{}}}", port);
    same!("{} {} {}", 1_u8, 'x', "y");
    same!("{1} {0} {1}", port, status);
    same!("{port} {status:#x} {port:?}");
    same!("{} {named} {port} {}", 1_i8, 2_i16, named = status);
    same!("{:width$}|{:<1$}|{0:1$}", 5_u8, width);
    same!("{:.*}|{pi:.precision$}|{:>w$.p$}", 3, pi, 2.5_f32, w = width, p = 1);
    same!("{pi:+width$.precision$e}");
    same!("{0:>1$} {0:>width$} {2:?}", status, 6_usize, "end",);
    same!("{}", &&port);
    irqlog_provider::event!(irqlog_provider::Level::Warn, "{port}");
    assert_eq!((last().0.level(), last().1), (irqlog_provider::Level::Warn, "80".to_owned()));
    irqlog_provider::error!(never_waits, "in an NMI: {}", 3_u8);
    let (record, text) = last();
    assert_eq!((record.has(flags::NEVER_WAITS), text.as_str()), (true, "in an NMI: 3"));
    // The most arguments that there can be: the kinds take three words.
    same!(
        "{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}",
        1_u8,
        2_i8,
        3_u16,
        4_i16,
        5_u32,
        6_i32,
        7_u64,
        8_i64,
        9_u128,
        10_i128,
        true,
        'a',
        "b",
        1.5_f32,
        2.5_f64,
        16_usize,
        17_isize,
        "c",
        19_u8,
        20_u8,
        21_u8,
        22_u8,
        "the last"
    );
}

#[test]
fn what_format_does_not_know_has_its_own_look() {
    let _held = lock();
    connect();
    irqlog_provider::info!("{} {:?} {:x} {:>30}|", Status(-1_073_741_790), Status(0), Status(-1), Status(0x103));
    assert_eq!(last().1, "STATUS_ACCESS_DENIED STATUS_SUCCESS ffffffff                 STATUS_PENDING|");
    irqlog_provider::info!("{}", Status(0x2000_0001));
    assert_eq!(last().1, "0x20000001");
    let guid = Guid::new(0x6b29_fc40, 0xca47, 0x1067, [0xb3, 0x1d, 0, 0xdd, 1, 6, 0x62, 0xda]);
    irqlog_provider::info!("{guid} {:?}", guid);
    assert_eq!(last().1, "6b29fc40-ca47-1067-b31d-00dd010662da 6b29fc40-ca47-1067-b31d-00dd010662da");
    let wide: Vec<u16> = "d\u{e9}vice \u{1f600}".encode_utf16().collect();
    // SAFETY: as long as it says.
    let string = unsafe { Utf16::from_unicode_string(wide.as_ptr(), (wide.len() * 2) as u16) };
    irqlog_provider::info!("{} {:?} {:.2} {}", string, Utf16(&wide), &wide[..], &[0xd800_u16, 0x61]);
    assert_eq!(last().1, "d\u{e9}vice \u{1f600} \"d\u{e9}vice \u{1f600}\" d\u{e9} \u{fffd}a");
    // SAFETY: null is nothing.
    let nothing = unsafe { Utf16::from_unicode_string(std::ptr::null(), 8) };
    irqlog_provider::info!("[{}]", nothing);
    assert_eq!(last().1, "[]");
}

#[test]
fn what_does_not_fit_is_cut_and_flagged() {
    let _held = lock();
    connect();
    let long = "x".repeat(5000);
    irqlog_provider::info!("{} {} {}", long.as_str(), 7_u8, "gone");
    let (record, text) = last();
    assert!(record.has(flags::TRUNCATED));
    assert!(text.starts_with("xxx") && text.ends_with("x 7 "), "{text}");
    assert_eq!(record.header.size.get(), 1024);
    let arguments = irqlog_reader::event::arguments(&record.payload);
    assert_eq!((arguments[0].cut as usize, arguments[2].cut), (5000 - (text.len() - 3), 4));
}
