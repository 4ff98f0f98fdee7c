//! defmt #834, #928: the macros are found under whatever name the crate has.

use crate::logged;

#[test]
fn a_renamed_crate_and_its_re_exports() {
    let log = || {
        let port = 7_u8;
        irqlog_facade::info!("one macro {port}");
        irqlog_facade::flight::warn!("the crate {}", port);
        irqlog_facade::flight::event!(irqlog_facade::flight::Level::Debug, never_waits, "{port}");
        irqlog_facade::note!("its own {port}");
        irqlog_facade::opened(8);
    };
    assert_eq!(logged(log), ["one macro 7", "the crate 7", "7", "its own 7", "opened 8"]);
}

/// No `irqlog_provider` is in scope here.
#[test]
fn a_name_of_the_callers_own() {
    mod irqlog_provider {}
    use irqlog_facade::flight::{debug as detail, error as failed};
    let log = || {
        failed!("{}", 1_u8);
        detail!("{}", 2_u8);
    };
    assert_eq!(logged(log), ["1", "2"]);
}
