//! tokio #7637, tracing #2332: whatever the caller's items are called, an argument is what the caller means.
//!
//! Each name that occurs in the expansion (`cargo expand`, or the end of `Call::tokens`), and each that did, is a constant,
//! a static, a type, a macro and a module where the call stands.

#![allow(
    non_upper_case_globals,
    non_camel_case_types,
    non_snake_case,
    clippy::upper_case_acronyms,
    clippy::items_after_statements,
    reason = "names of every kind of item"
)]

use irqlog_provider::{Level as Importance, event, info};

use crate::logged;

/// Calls a macro with every name of the expansion.
macro_rules! for_each_name {
    ($call:ident) => {
        $call! {
            IRQLOG_SITE SITE LEVEL FORMAT NAMES SIZE FUNCTION COUNT
            argument_0 argument_1 args words site level arguments never_waits
            irqlog_provider irqlog_provider_macros private core std Level Info
            call log is_enabled Site site_size new module_path file line
            display debug radix exponent pointer count
            Words Argument Arguments head put kind send start
            link_section unix cfg_attr unsafe_ u8 u32 usize bool str
        }
    };
}

macro_rules! constants {
    ($($name:ident)*) => {{$({
        const $name: u64 = 4096;
        info!("buffer of {} {named:#x}", $name, named = $name);
        event!(if $name == 4096 { Importance::Info } else { Importance::Error }, "by level");
    })*}};
}

#[test]
fn constants() {
    let texts = logged(|| for_each_name!(constants));
    assert!(texts.len() > 100, "{}", texts.len());
    assert!(texts.chunks(2).all(|pair| pair == ["buffer of 4096 0x1000", "by level"]), "{texts:?}");
}

macro_rules! statics {
    ($($name:ident)*) => {{$({
        static $name: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(17);
        info!("{} {}", $name.load(core::sync::atomic::Ordering::Relaxed), 18);
    })*}};
}

#[test]
fn statics() {
    let texts = logged(|| for_each_name!(statics));
    assert!(texts.len() > 50 && texts.iter().all(|text| text == "17 18"), "{texts:?}");
}

macro_rules! types {
    ($($name:ident)*) => {{$({
        struct $name;
        impl $name {
            fn value(self) -> &'static ::core::primitive::str {
                "unit"
            }
        }
        info!("{} {:?}", $name.value(), { let $name = $name; $name }.value());
    }
    {
        struct $name { value: i8 }
        info!("{} {}", $name { value: 2 }.value, 3);
    })*}};
}

#[test]
fn types() {
    let texts = logged(|| for_each_name!(types));
    assert!(texts.len() > 100, "{}", texts.len());
    assert!(texts.chunks(2).all(|pair| pair == ["unit \"unit\"", "2 3"]), "{texts:?}");
}

macro_rules! macros {
    ($($name:ident)*) => {{$({
        macro_rules! $name { () => { 5_u16 }; }
        info!("{} {}", $name!(), 6);
    })*}};
}

#[test]
fn macros() {
    let texts = logged(|| for_each_name!(macros));
    assert!(texts.len() > 50 && texts.iter().all(|text| text == "5 6"), "{texts:?}");
}

macro_rules! modules {
    ($($name:ident)*) => {{$({
        mod $name {
            pub const VALUE: u64 = 7;
        }
        info!("{} {}", $name::VALUE, 8);
    })*}};
}

#[test]
fn modules() {
    let texts = logged(|| for_each_name!(modules));
    assert!(texts.len() > 50 && texts.iter().all(|text| text == "7 8"), "{texts:?}");
}

macro_rules! variables {
    ($($name:ident)*) => {{$({
        let $name = 9_u8;
        info!("{} {}", $name, { let $name = 10; $name });
    })*}};
}

#[test]
fn variables() {
    let texts = logged(|| for_each_name!(variables));
    assert!(texts.len() > 50 && texts.iter().all(|text| text == "9 10"), "{texts:?}");
}

/// As in the report.
#[test]
fn a_captured_constant() {
    const SIZE: usize = 4096;
    const FORMAT: &str = "mine";
    const LEVEL: Importance = Importance::Debug;
    let log = || {
        info!("buffer of {SIZE} bytes, {FORMAT}");
        event!(LEVEL, "probe {}", LEVEL.0);
    };
    assert_eq!(logged(log), ["buffer of 4096 bytes, mine", "probe 4"]);
}

/// A trait with methods for everything takes none of the calls of the expansion.
#[test]
fn methods_for_everything() {
    trait Everything: Sized {
        fn start(self) -> u8 {
            1
        }
        fn put(self) -> u8 {
            2
        }
        fn log() -> u8 {
            3
        }
    }
    impl<T> Everything for T {}
    assert_eq!(logged(|| info!("{} {} {}", ().start(), ().put(), <()>::log())), ["1 2 3"]);
}
