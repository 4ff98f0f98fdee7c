//! The table of routines that images import, and what every one of them does first and last.

use std::sync::atomic::Ordering;

use irqlog_nt::routines::Export;

use super::{interrupt, io, irp, ke, machine::current, pool, ps, registry, report, time};

/// A routine that images can import.
#[derive(Clone, Copy, Debug)]
pub struct Routine {
    /// Its rule.
    pub row: &'static Export,
    /// Its address, for the Windows calling convention.
    pub address: usize,
}

/// Every routine there is.
pub fn all() -> Vec<Routine> {
    [
        ke::routines(),
        time::routines(),
        pool::routines(),
        io::routines(),
        irp::routines(),
        registry::routines(),
        ps::routines(),
    ]
    .concat()
}

/// Address of a routine by name; the module does not matter, there is one kernel.
pub fn find(name: &str) -> Option<usize> {
    all().into_iter().find(|routine| routine.row.name == name).map(|routine| routine.address)
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
                let _import = $crate::nt::exports::Import::enter(ROW);
                $body
            }
        )+

        /// The routines of this module.
        pub fn routines() -> Vec<$crate::nt::exports::Routine> {
            vec![$($crate::nt::exports::Routine {
                row: irqlog_nt::routines::row_of(stringify!($name)),
                address: $name as *const () as usize,
            }),+]
        }
    };
}
pub(crate) use routines;
