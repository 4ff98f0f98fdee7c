//! A facade over `irqlog-provider`, for the tests: the crate is renamed in its manifest, and handed on in three ways.

#![no_std]

/// The whole crate, under a name of the facade's.
pub use recorder as flight;
/// One macro.
pub use recorder::info;

/// Logs through a macro of the facade's own.
#[macro_export]
macro_rules! note {
    ($($call:tt)*) => { $crate::flight::event!($crate::flight::Level::Info, $($call)*) };
}

/// Logs from inside of the facade.
pub fn opened(port: u16) {
    recorder::info!("opened {port}");
}
