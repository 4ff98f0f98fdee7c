//! `irqlog.h` against `crates/wire`, in C and in C++, for both architectures: structures, numbers, and one call with every
//! type of argument.

use std::{fmt::Write, path::Path, process::Command};

use irqlog_wire::{
    event::{ArgumentKind, NEEDS_DRIVER},
    interface::{Interface, Registration},
    ioctl,
    record::Level,
    site::{MAX_PROVIDER_NAME, SECTION, SITE_MAGIC, SiteHeader},
};

const CLANG: &str = "clang-cl-19";

/// Calls with every type that can be an argument.
const CALLS: &str = r#"
enum Colour { Red };
void Everything(UNICODE_STRING *Name, const GUID *Guid, void *Pointer, struct Unknown *Other) {
    const UNICODE_STRING *ConstName = Name;
    char Text[] = "array";
    const char *ConstText = Text;
    volatile long Counter = 0;
    IRQLOG_ERROR("no arguments");
    IRQLOG_WARN("{} {} {} {}", (char)1, (signed char)2, (unsigned char)3, (IRQLOG_BOOL)1);
    IRQLOG_INFO("{} {} {} {} {} {}", (short)1, (unsigned short)2, 3, 4u, 5l, 6ul);
    IRQLOG_DEBUG("{} {} {} {}", 7ll, 8ull, 1.5f, 2.5);
    IRQLOG_TRACE("{} {} {} {} {}", Text, ConstText, "literal", Name, ConstName);
    IRQLOG_TRACE("{} {} {:p} {:p} {}", Guid, (GUID *)Guid, Pointer, (const void *)Other, Counter);
    IRQLOG_TRACE("{} {} {:?} {}", IrqlogStatus(-1), IrqlogString(Text, 2), IrqlogBytes(Text, 3), IrqlogUtf16(Text, 4));
    IRQLOG_INFO_NEVER_WAITS("{}{}{}{}{}{}{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    IRQLOG_EVENT(IRQLOG_LEVEL_WARN, 0, "{}", Red);
    if (Name) IRQLOG_INFO("in an if"); else IRQLOG_INFO("and an else");
}
NTSTATUS Life(void) { NTSTATUS Status = IrqlogConnect("name"); IrqlogDisconnect(); return Status; }
"#;

/// Static assertions on everything that the header types again.
fn assertions() -> String {
    let mut out = String::new();
    let mut check = |condition: String| writeln!(out, "IRQLOG_CHECK({condition});").unwrap();
    check(format!("sizeof(IRQLOG_INTERFACE) == {}", size_of::<Interface>()));
    check(format!("sizeof(IRQLOG_REGISTRATION) == {}", size_of::<Registration>()));
    check(format!("sizeof(IRQLOG_SITE) == {}", size_of::<SiteHeader>()));
    for (name, offset) in [
        ("Size", std::mem::offset_of!(Interface, size)),
        ("WriteText", std::mem::offset_of!(Interface, write_text)),
        ("WriteBlob", std::mem::offset_of!(Interface, write_blob)),
        ("WriteTextNeverWaits", std::mem::offset_of!(Interface, write_text_never_waits)),
        ("WriteBlobNeverWaits", std::mem::offset_of!(Interface, write_blob_never_waits)),
        ("Register", std::mem::offset_of!(Interface, register)),
        ("Unregister", std::mem::offset_of!(Interface, unregister)),
        ("WriteEvent", std::mem::offset_of!(Interface, write_event)),
        ("WriteEventNeverWaits", std::mem::offset_of!(Interface, write_event_never_waits)),
    ] {
        check(format!("__builtin_offsetof(IRQLOG_INTERFACE, {name}) == {offset}"));
    }
    for (name, offset) in [
        ("NameLength", std::mem::offset_of!(Registration, name_length)),
        ("Name", std::mem::offset_of!(Registration, name)),
        ("Sites", std::mem::offset_of!(Registration, sites)),
        ("SitesLength", std::mem::offset_of!(Registration, sites_length)),
        ("Base", std::mem::offset_of!(Registration, base)),
        ("Level", std::mem::offset_of!(Registration, level)),
    ] {
        check(format!("__builtin_offsetof(IRQLOG_REGISTRATION, {name}) == {offset}"));
    }
    for (name, offset) in [
        ("Line", std::mem::offset_of!(SiteHeader, line)),
        ("Level", std::mem::offset_of!(SiteHeader, level)),
        ("Arguments", std::mem::offset_of!(SiteHeader, arguments)),
        ("Format", std::mem::offset_of!(SiteHeader, format)),
        ("Names", std::mem::offset_of!(SiteHeader, names)),
        ("Module", std::mem::offset_of!(SiteHeader, module)),
        ("File", std::mem::offset_of!(SiteHeader, file)),
    ] {
        check(format!("__builtin_offsetof(IRQLOG_SITE, {name}) == {offset}"));
    }
    check(format!("IRQLOG_SITE_MAGIC == {SITE_MAGIC:#x}u"));
    check(format!("IRQLOG_CONNECT == {:#x}", ioctl::CONNECT));
    check(format!("IRQLOG_NEEDS_DRIVER == {NEEDS_DRIVER:#x}"));
    for level in Level::KNOWN {
        check(format!("IRQLOG_LEVEL_{} == {}", level.name().unwrap().to_uppercase(), level.0));
    }
    // Those that C has no type for are not there: usize and isize, 128 bits, char.
    for kind in ArgumentKind::KNOWN {
        let name = kind.name().unwrap().to_uppercase();
        if !["USIZE", "ISIZE", "U128", "I128", "CHAR"].contains(&&*name) {
            check(format!("IRQLOG_KIND_{name} == {}", kind.0));
        }
    }
    out
}

/// Compiles as C or C++ for both architectures; the messages if it fails.
fn compile(code: &str, is_cpp: bool, what: &str) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("irqlog-h-{what}"));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(if is_cpp { "driver.cpp" } else { "driver.c" });
    let check = if is_cpp { "static_assert(x, #x)" } else { "_Static_assert(x, #x)" };
    let text =
        format!("#include <ntddk.h>\n#include \"irqlog.h\"\n#define IRQLOG_CHECK(x) {check}\nstruct Unknown;\n{code}");
    std::fs::write(&file, text).unwrap();
    for (target, define) in [("x86_64", "_AMD64_"), ("aarch64", "_ARM64_")] {
        let output = Command::new(CLANG)
            .arg(format!("--target={target}-pc-windows-msvc"))
            .args(["/c", "/kernel", "/GS-", "/O2", "/W4", "/WX", if is_cpp { "/std:c++17" } else { "/std:c11" }])
            .args([format!("/D{define}"), format!("/Fo{}", folder.join("driver.obj").display())])
            .arg("-imsvc")
            .arg(root.join("include/km"))
            .arg(format!("-I{}", root.join("../../crates/provider/include").display()))
            .arg("--")
            .arg(&file)
            .output()
            .unwrap_or_else(|error| panic!("{CLANG}: {error}; `cargo xtask build` installs it"));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let object = std::fs::read(folder.join("driver.obj")).unwrap();
        assert!(object.windows(SECTION.len()).any(|bytes| bytes == SECTION.as_bytes()), "no section {SECTION}");
    }
    Ok(())
}

#[test]
fn c_and_cpp_drivers_compile_and_have_the_same_bytes() {
    let assertions = assertions();
    assert!(assertions.lines().count() > 45, "too little was checked");
    assert_eq!(MAX_PROVIDER_NAME, 64, "the header's documentation says so");
    for (is_cpp, what) in [(false, "c"), (true, "cpp")] {
        compile(&format!("{assertions}{CALLS}"), is_cpp, what).unwrap();
    }
}

#[test]
fn what_cannot_be_an_argument_does_not_compile() {
    for (is_cpp, what) in [(false, "bad-c"), (true, "bad-cpp")] {
        let bad = "struct Pair { int a, b; };\nvoid f(struct Pair p) { IRQLOG_INFO(\"{}\", p); }\n";
        let error = compile(bad, is_cpp, what).expect_err("a structure is no argument");
        assert!(error.contains("Pair"), "{error}");
        // The thirteenth.
        let many = "void f(void) { IRQLOG_INFO(\"\", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13); }\n";
        assert!(compile(many, is_cpp, what).is_err());
    }
}
