//! The first and last steps of every routine that images import, and how a module registers its routines.
//!
//! This is the ground that the routines stand on; [`exports`](super::exports) lists them all.

use std::sync::atomic::Ordering;

use irqlog_nt::routines::Export;

use super::{interrupt, machine::current, report, verifier};

/// A routine that images can import.
#[derive(Clone, Copy, Debug)]
pub struct Routine {
    /// The routine's IRQL rule.
    pub row: &'static Export,
    /// Address of the routine, which has the Windows calling convention.
    pub address: usize,
}

/// A routine is running: made first, dropped last.
pub struct Import(());

impl Import {
    /// Checks the rule.
    #[inline]
    pub fn enter(row: &'static Export) -> Self {
        let Some(thread) = current() else {
            report::broken(&format!("{} was called by a thread that the rig does not know", row.name))
        };
        let irql = thread.processor().irql.load(Ordering::Relaxed);
        if !row.rule.allows(irql) {
            broken_rule(row, irql);
        }
        verifier::enters(row, irql);
        Self(())
    }
}

#[cold]
fn broken_rule(row: &Export, irql: u8) -> ! {
    let name = irqlog_wire::irql::name;
    let limit = match (row.rule.least, row.rule.most) {
        (0, most) => format!("<= {}", name(most)),
        (least, irqlog_nt::irql::HIGH_LEVEL) => format!(">= {}", name(least)),
        (least, most) => format!("{} to {}", name(least), name(most)),
    };
    report::broken(&format!(
        "{} was called at IRQL {irql} ({}); it may be called at IRQL {limit} [{}]",
        row.name,
        name(irql),
        row.source
    ))
}

impl Drop for Import {
    /// On the way back into the image: lets in what has become pending.
    #[inline]
    fn drop(&mut self) {
        if let Some(thread) = current()
            && thread.processor().pending.load(Ordering::Relaxed) != 0
        {
            interrupt::deliver(None);
        }
    }
}

/// Defines routines with the Windows calling convention, each with its row of the table, and `routines()` over them.
macro_rules! routines {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)+) => {
        $(
            $(#[$meta])*
            #[allow(non_snake_case, reason = "the name is the kernel's")]
            unsafe extern "efiapi" fn $name($($argument: $type),*) $(-> $result)? {
                const ROW: &irqlog_nt::routines::Export = irqlog_nt::routines::row_of(stringify!($name));
                const {
                    let result = size_of::<<fn() $(-> $result)? as irqlog_nt::routines::Returns>::Result>();
                    assert!(ROW.has_shape(&[$(size_of::<$type>()),*], result), "the row has another signature");
                    assert!(ROW.worlds.rig, "the row says that the rig does not give it");
                }
                let _import = $crate::nt::import::Import::enter(ROW);
                $body
            }
        )+

        /// The routines of this module.
        pub fn routines() -> Vec<$crate::nt::import::Routine> {
            vec![$($crate::nt::import::Routine {
                row: irqlog_nt::routines::row_of(stringify!($name)),
                address: $name as *const () as usize,
            }),+]
        }
    };
}
pub(crate) use routines;
