//! rust #115466, #115611, defmt #165: what `println!` takes as a format, and as a name in it.

use irqlog_provider::info;

use crate::logged;

#[test]
fn keywords_are_names() {
    struct Port(u8);
    impl Port {
        fn log(self) {
            let (r#type, r#match) = (5_u8, 6_u8);
            info!("kind {type} {match:#x} {in} {dyn}", in = 7_u8, r#dyn = self.0);
        }
    }
    assert_eq!(logged(|| Port(8).log()), [format!("kind {type} {match:#x} 7 8", type = 5, match = 6)]);
}

#[test]
fn self_is_captured() {
    trait Log {
        fn log(self);
    }
    impl Log for u8 {
        fn log(self) {
            info!("port {self}");
        }
    }
    assert_eq!(logged(|| 3_u8.log()), ["port 3"]);
}

macro_rules! prefixed {
    ($format:literal, $($argument:tt)*) => { info!(concat!("port ", $format), $($argument)*) };
}

macro_rules! forwarded {
    ($format:expr, $($argument:tt)*) => { info!($format, $($argument)*) };
}

#[test]
fn concat_is_a_format() {
    let log = || {
        info!(concat!("port ", "{}"), 1_u8);
        info!(core::concat!("{:>", 4, "}", '|', concat!(true, -2, " {named}"), stringify!(x)), 1_u8, named = 2_u8);
        prefixed!("{:?}", "a");
        forwarded!(concat!("{0} ", "{0}"), 3_u8);
        forwarded!("{} ", 4_u8);
    };
    let expected = [
        format!(concat!("port ", "{}"), 1),
        format!(core::concat!("{:>", 4, "}", '|', concat!(true, -2, " {named}"), stringify!(x)), 1, named = 2),
        "port \"a\"".to_owned(),
        "3 3".to_owned(),
        "4 ".to_owned(),
    ];
    assert_eq!(logged(log), expected);
}
