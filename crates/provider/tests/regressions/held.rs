//! What has always compiled: calls in generics, closures, nested macros, and under strict lints.

use crate::logged;

mod strict {
    #![forbid(unsafe_code, unsafe_op_in_unsafe_fn)]
    #![deny(warnings, unused, nonstandard_style, rust_2018_idioms)]

    pub fn log() {
        let (unused_otherwise, text) = (1_u8, String::from("text"));
        irqlog_provider::info!("{unused_otherwise} {}", text.as_str());
    }
}

#[test]
fn a_crate_that_forbids_unsafe_code_and_denies_warnings() {
    assert_eq!(logged(strict::log), ["1 text"]);
}

fn generic<T: Copy + Into<u64>, const N: usize>(value: T) {
    irqlog_provider::info!("{} of {N}", value.into());
}

#[test]
fn generic_functions() {
    let log = || {
        generic::<u8, 3>(1);
        generic::<u64, 4>(2);
    };
    assert_eq!(logged(log), ["1 of 3", "2 of 4"]);
}

#[test]
fn closures_match_arms_and_values() {
    let log = || {
        let mut count = 0;
        let mut next = || {
            count += 1;
            irqlog_provider::info!("{count}");
        };
        next();
        next();
        match Some(3) {
            Some(port) => irqlog_provider::info!("port {port}"),
            None => irqlog_provider::error!("no port"),
        }
        let () = irqlog_provider::info!("a value");
    };
    assert_eq!(logged(log), ["1", "2", "port 3", "a value"]);
}

macro_rules! outer {
    ($level:expr, $format:literal, $value:expr) => {
        inner!($level, $format, $value)
    };
}

macro_rules! inner {
    ($level:expr, $format:literal, $($value:tt)*) => {{
        let hidden = 5_u8;
        irqlog_provider::event!($level, $format, $($value)*);
        irqlog_provider::event!($level, "{hidden} {}", $($value)*);
    }};
}

#[test]
fn nested_macros_keep_their_variables() {
    let log = || {
        let hidden = 6_u8;
        outer!(irqlog_provider::Level::Info, "{hidden} {}", hidden + 1);
    };
    assert_eq!(logged(log), ["6 7", "5 7"]);
}

#[test]
fn a_temporary_lives_until_the_event_is_written() {
    let log = || irqlog_provider::info!("{} {}", String::from("one").as_str(), vec![0x74_u16, 0x77, 0x6f].as_slice());
    assert_eq!(logged(log), ["one two"]);
}
