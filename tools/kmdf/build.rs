//! Links WDFLDR.SYS as a kernel image, and writes the function table's skeleton: one refusal for each index.

use std::{env, fmt::Write, fs, path::Path};

fn main() {
    let facts = Path::new("../../testdata/kmdf-abi.json");
    println!("cargo::rerun-if-changed={}", facts.display());
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(facts).expect("the facts")).expect("JSON");
    let entries = json["function_table_entries"].as_u64().expect("a number");
    let mut names = vec![String::from("?"); usize::try_from(entries).expect("small")];
    for (name, index) in json["functions"].as_object().expect("an object") {
        if let Some(slot) = names.get_mut(usize::try_from(index.as_u64().expect("a number")).expect("small")) {
            slot.clone_from(name);
        }
    }
    let mut code = format!("pub const ENTRIES: usize = {entries};\npub static NAMES: [&core::ffi::CStr; ENTRIES] = [");
    for name in &names {
        write!(code, "c{name:?}, ").expect("a string");
    }
    code.push_str("];\npub static TABLE: Table = [");
    for index in 0..names.len() {
        write!(code, "AtomicPtr::new(refuse::<{index}> as *mut c_void), ").expect("a string");
    }
    code.push_str("];\n");
    for (index, name) in names.iter().enumerate().filter(|(_, name)| *name != "?") {
        writeln!(code, "#[allow(dead_code)]\npub const {}: usize = {index};", name.to_uppercase()).expect("a string");
    }
    let out = env::var("OUT_DIR").expect("set by cargo");
    fs::write(Path::new(&out).join("table.rs"), code).expect("writing the table");
    for argument in ["/DRIVER", "/NODEFAULTLIB", "/SUBSYSTEM:NATIVE", "/NOENTRY", "/RELEASE", "/MAP", "/OPT:REF,NOICF"]
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
