//! Links ntosshim.sys: a kernel module that exports what the table of `tools/nt` says, its own routines under the kernel's
//! names and the rest as forwarders to Wine's ntoskrnl.exe.

use std::env;

use irqlog_nt::routines::{EXPORTS, UnderWine};

fn main() {
    for name in EXPORTS.iter().filter_map(|export| match export.worlds.wine {
        UnderWine::Shim => Some(format!("{0}=shim_{0}", export.name)),
        UnderWine::Forwarded => Some(format!("{0}=ntoskrnl.exe.{0}", export.name)),
        UnderWine::NotExported => None,
    }) {
        println!("cargo::rustc-cdylib-link-arg=/EXPORT:{name}");
    }
    for argument in ["/DRIVER", "/NODEFAULTLIB", "/SUBSYSTEM:NATIVE", "/NOENTRY", "/RELEASE", "/MAP"] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    // Where the kit's import libraries are: `cargo xtask build` says.
    println!("cargo::rerun-if-env-changed=IRQLOG_KIT_LIB");
    if let Ok(libraries) = env::var("IRQLOG_KIT_LIB") {
        println!("cargo::rustc-link-search={libraries}");
        println!("cargo::rustc-link-lib=ntoskrnl");
    }
}
