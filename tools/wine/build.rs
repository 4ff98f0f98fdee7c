//! Links ntosshim.sys: a kernel module that exports what `exports.txt` says, its own routines under the kernel's names and
//! the rest as forwarders to Wine's ntoskrnl.exe.

use std::fs;

fn main() {
    println!("cargo::rerun-if-changed=exports.txt");
    let text = fs::read_to_string("exports.txt").expect("exports.txt");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let export = match line.split_once(' ') {
            Some(("shim", name)) => format!("/EXPORT:{name}=shim_{name}"),
            Some(("wine", name)) => format!("/EXPORT:{name}=ntoskrnl.exe.{name}"),
            _ => panic!("exports.txt: {line:?} is neither `shim NAME` nor `wine NAME`"),
        };
        println!("cargo::rustc-cdylib-link-arg={export}");
    }
    for argument in ["/DRIVER", "/NODEFAULTLIB", "/SUBSYSTEM:NATIVE", "/NOENTRY", "/RELEASE", "/MAP"] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
}
