//! Links a kernel image with DriverEntry as its entry point.

use std::env;

fn main() {
    for argument in
        ["/DRIVER", "/NODEFAULTLIB", "/SUBSYSTEM:NATIVE", "/ENTRY:DriverEntry", "/RELEASE", "/MAP", "/OPT:REF,NOICF"]
    {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    // Where the kit's import libraries are: `cargo xtask build` says.
    println!("cargo::rerun-if-env-changed=IRQLOG_KIT_LIB");
    if let Ok(libraries) = env::var("IRQLOG_KIT_LIB") {
        println!("cargo::rustc-link-search={libraries}");
        println!("cargo::rustc-link-lib=ntoskrnl");
    }
}
