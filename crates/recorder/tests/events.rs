//! Events: what a provider hands over, and what is in the ring then.

mod common;

use common::{SMALL, TestRecorder, header, read_all, recorder};
use irqlog_recorder::{
    draft::Draft,
    log::{Entry, Outcome},
    pointers::Pointers,
    request::Configure,
};
use irqlog_wire::{
    event::{ArgumentKind, MAX_ARGUMENTS, MAX_EVENT_WORDS, head_word, head_words, string_word},
    image::{DropReason, build_flags},
    record::{Kind, Level, RecordHeader, flags},
};
use proptest::prelude::*;

/// An argument, as a provider hands it over and as it lies in the ring.
#[derive(Clone, Debug)]
enum Argument {
    Number(ArgumentKind, Vec<u64>),
    Text(ArgumentKind, Vec<u8>),
}

fn call(arguments: &[Argument]) -> Vec<u64> {
    let kinds: Vec<_> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Number(kind, _) | Argument::Text(kind, _) => *kind,
        })
        .collect();
    let mut words: Vec<u64> = (0..head_words(kinds.len())).map(|word| head_word(&kinds, word)).collect();
    for argument in arguments {
        match argument {
            Argument::Number(_, value) => words.extend(value),
            Argument::Text(_, bytes) => words.extend([bytes.as_ptr().expose_provenance() as u64, bytes.len() as u64]),
        }
    }
    words
}

fn write(recorder: &TestRecorder<'_>, words: &[u64]) -> Outcome {
    // SAFETY: the strings that the words name live as long as the test.
    recorder.log(&unsafe { Draft::event(Level::Warn, 0x1234, words) }, Entry::MayWait)
}

/// The record of an event, and its payload as words.
fn written(arguments: &[Argument]) -> (RecordHeader, Vec<u64>) {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    assert!(matches!(write(recorder, &call(arguments)), Outcome::Written { .. }));
    let (records, _) = read_all(recorder, 0, header(memory).start_id.get());
    let [(header, payload)] = &records[..] else { panic!("{} records", records.len()) };
    let words = payload.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    assert!(payload.len().is_multiple_of(8));
    (*header, words)
}

#[test]
fn numbers_are_written_as_they_are() {
    let arguments = [
        Argument::Number(ArgumentKind::U8, vec![7]),
        Argument::Number(ArgumentKind::I128, vec![1, u64::MAX]),
        Argument::Number(ArgumentKind::F64, vec![0x4000_0000_0000_0000]),
    ];
    let words = call(&arguments);
    let (header, payload) = written(&arguments);
    assert_eq!((Kind(header.kind), Level(header.level)), (Kind::Event, Level::Warn));
    assert_eq!((header.site.get(), header.flags.get()), (0x1234, 0));
    assert_eq!(payload, words);
    let (header, payload) = written(&[]);
    assert_eq!((header.payload_size.get(), payload), (8, vec![0]));
}

#[test]
fn strings_are_copied_behind_their_lengths() {
    let arguments = [
        Argument::Text(ArgumentKind::Str, b"twelve bytes".to_vec()),
        Argument::Number(ArgumentKind::U32, vec![9]),
        Argument::Text(ArgumentKind::Bytes, Vec::new()),
        Argument::Text(ArgumentKind::Utf16, vec![0x61, 0, 0x62, 0]),
    ];
    let (header, payload) = written(&arguments);
    assert_eq!(header.flags.get(), 0);
    let kinds = [ArgumentKind::Str, ArgumentKind::U32, ArgumentKind::Bytes, ArgumentKind::Utf16];
    let head = head_word(&kinds, 0) & !irqlog_wire::event::NEEDS_DRIVER;
    let word = |text: &[u8; 8]| u64::from_le_bytes(*text);
    let expected = [
        head,
        string_word(12, 12),
        word(b"twelve b"),
        word(b"ytes\0\0\0\0"),
        9,
        string_word(0, 0),
        string_word(4, 4),
        0x0062_0061,
    ];
    assert_eq!(payload, expected);
}

#[test]
fn what_does_not_fit_is_cut_and_flagged_and_numbers_always_fit() {
    let long = "\u{e9}".repeat(2000);
    let arguments = [
        Argument::Text(ArgumentKind::Str, b"first".to_vec()),
        Argument::Text(ArgumentKind::Str, long.clone().into_bytes()),
        Argument::Text(ArgumentKind::Bytes, vec![1; 9]),
        Argument::Number(ArgumentKind::U64, vec![77]),
    ];
    let (header, payload) = written(&arguments);
    assert_eq!(header.flags.get(), flags::TRUNCATED);
    assert_eq!(payload.len(), MAX_EVENT_WORDS);
    assert_eq!(payload[1], string_word(5, 5));
    // Head, three lengths, the number and the first string take six words; the long one gets all the rest.
    let room = (MAX_EVENT_WORDS - 6) * 8;
    assert_eq!(payload[3], string_word(room as u32, 4000));
    assert_eq!(payload[MAX_EVENT_WORDS - 2..], [string_word(0, 9), 77]);
    // A character is not cut in two: of one byte and many of two, an even number of bytes leaves a half.
    let (_, payload) = written(&[Argument::Text(ArgumentKind::Str, format!("a{long}").into_bytes())]);
    assert_eq!(payload[1] & 0xffff_ffff, (MAX_EVENT_WORDS as u64 - 2) * 8 - 1);
    // Bytes are no characters: those that look like the start of one are kept.
    let (_, payload) = written(&[Argument::Text(ArgumentKind::Bytes, vec![0xe9; 2000])]);
    assert_eq!(payload[1], string_word((MAX_EVENT_WORDS as u32 - 2) * 8, 2000));
    // One that fills the record to its end is whole.
    let fits = vec![b'x'; (MAX_EVENT_WORDS - 2) * 8];
    let (header, payload) = written(&[Argument::Text(ArgumentKind::Str, fits)]);
    assert_eq!((header.flags.get(), payload.len()), (0, MAX_EVENT_WORDS));
}

#[test]
fn pointers_are_hashed_and_null_is_not() {
    let pointer = |address| Argument::Number(ArgumentKind::Pointer, vec![address]);
    let (header, payload) =
        written(&[pointer(0xffff_8000_1234_5678), pointer(0), pointer(0xffff_8000_1234_5678), pointer(8)]);
    assert_eq!(header.flags.get(), flags::POINTERS_HASHED);
    assert_eq!(payload[1], payload[3], "the same pointer is the same hash");
    assert_eq!(payload[2], 0);
    assert!(payload[1] != 0xffff_8000_1234_5678 && payload[4] != 8 && payload[1] != payload[4]);
    assert_eq!(Pointers::Raw.written(8), 8);
    // SipHash-2-4 of the reference implementation's key and its input of eight bytes (vectors.h of the authors).
    let reference = u64::from_le_bytes([0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93]);
    assert_eq!(common::POINTERS.written(0x0706_0504_0302_0100), reference);
}

#[test]
fn configure_lets_addresses_through_and_the_header_says_so() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let words = call(&[Argument::Number(ArgumentKind::Pointer, vec![0xffff_8000_1234_5678])]);
    write(recorder, &words);
    assert_eq!(header(memory).build_flags.get() & build_flags::RAW_POINTERS, 0);
    recorder.configure(&Configure { raw_pointers: true, ..Configure::default() });
    write(recorder, &words);
    // No other setting of a later request takes it back.
    recorder.configure(&Configure { level: Some(Level::Warn), ..Configure::default() });
    write(recorder, &words);
    assert_ne!(header(memory).build_flags.get() & build_flags::RAW_POINTERS, 0);
    let (records, _) = read_all(recorder, 0, header(memory).start_id.get());
    let seen: Vec<_> = records
        .iter()
        .map(|(header, payload)| (header.flags.get(), payload[8..16] == 0xffff_8000_1234_5678_u64.to_le_bytes()))
        .collect();
    assert_eq!(seen, [(flags::POINTERS_HASHED, false), (flags::POINTERS_RAW, true), (flags::POINTERS_RAW, true)]);
}

#[test]
fn words_that_are_no_event_are_a_counted_drop() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let text = Argument::Text(ArgumentKind::Str, b"text".to_vec());
    let good = call(std::slice::from_ref(&text));
    let mut too_many = good.clone();
    too_many[0] = (too_many[0] & !0x7f) | (MAX_ARGUMENTS as u64 + 1);
    // As many words as that would take.
    let enough = [(MAX_ARGUMENTS as u64 + 1) | irqlog_wire::event::NEEDS_DRIVER; 40];
    for words in [&good[..2], &too_many[..], &enough, &[0; MAX_EVENT_WORDS + 1][..]] {
        assert_eq!(write(recorder, words), Outcome::Dropped(DropReason::TooLarge));
    }
    assert_eq!(common::drops(memory), 4);
}

fn argument() -> impl Strategy<Value = Argument> {
    let number = (1..=19_u8, any::<[u64; 2]>()).prop_map(|(kind, value)| {
        let kind = ArgumentKind(kind);
        Argument::Number(kind, value[..kind.words()].to_vec())
    });
    let text = (20..=22_u8, prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(kind, bytes)| Argument::Text(ArgumentKind(kind), bytes));
    prop_oneof![number, text]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 64 }))]
    /// Whatever comes in, what lies in the ring is a whole event: every argument is there, numbers as they were, strings
    /// to where they were cut.
    #[test]
    fn every_argument_is_found_again(arguments in prop::collection::vec(argument(), 0..=MAX_ARGUMENTS)) {
        let (header, payload) = written(&arguments);
        let mut rest = &payload[head_words(arguments.len())..];
        let mut was_cut = false;
        for argument in &arguments {
            match argument {
                Argument::Number(kind, value) => {
                    let (found, behind) = rest.split_at(value.len());
                    if *kind != ArgumentKind::Pointer {
                        prop_assert_eq!(found, value);
                    }
                    rest = behind;
                }
                Argument::Text(_, bytes) => {
                    let (kept, had) = ((rest[0] & 0xffff_ffff) as usize, (rest[0] >> 32) as usize);
                    prop_assert_eq!(had, bytes.len());
                    let (found, behind) = rest[1..].split_at(kept.div_ceil(8));
                    let found: Vec<u8> = found.iter().flat_map(|word| word.to_le_bytes()).collect();
                    prop_assert_eq!(&found[..kept], &bytes[..kept]);
                    prop_assert!(found[kept..].iter().all(|&byte| byte == 0));
                    was_cut |= kept < had;
                    rest = behind;
                }
            }
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(header.flags.get() & flags::TRUNCATED != 0, was_cut);
    }
}
