//! `irqlog.h` against `crates/wire`, in C and in C++, for both architectures: structures, numbers, one call with every
//! type of argument, and calls in inline functions, templates and lambdas (tracelogging #43).

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::Command,
};

use irqlog_reader::sites::SiteTable;
use irqlog_wire::{
    event::{ArgumentKind, NEEDS_DRIVER},
    interface::{Interface, Registration},
    ioctl,
    record::Level,
    site::{MAX_PROVIDER_NAME, PROVIDER_MAGIC, ProviderHeader, SECTION, SITE_MAGIC, SiteHeader, sites},
};
use object::{Object as _, ObjectSection as _, read::pe::PeFile64};
use zerocopy::{FromZeros, IntoBytes};

const CLANG: &str = "clang-cl-19";
const LINK: &str = "lld-link-19";

/// Calls with every type that can be an argument.
const CALLS: &str = r#"
enum Colour { Red };
void Everything(UNICODE_STRING *Name, const GUID *Guid, void *Pointer, struct Unknown *Other) {
    const UNICODE_STRING *ConstName = Name;
    char Text[] = "array";
    const char *ConstText = Text;
    volatile long Counter = 0;
    WCHAR Wide[] = L"wide";
    struct { unsigned Three : 3, Five : 5; } Bits = {5, 17};
    const int Constant = 1;
    IRQLOG_ERROR("no arguments");
    IRQLOG_WARN("{} {} {} {}", (char)1, (signed char)2, (unsigned char)3, (IRQLOG_BOOL)1);
    IRQLOG_INFO("{} {} {} {} {} {}", (short)1, (unsigned short)2, 3, 4u, 5l, 6ul);
    IRQLOG_DEBUG("{} {} {} {}", 7ll, 8ull, 1.5f, 2.5);
    IRQLOG_TRACE("{} {} {} {} {}", Text, ConstText, "literal", Name, ConstName);
    IRQLOG_TRACE("{} {} {:p} {:p} {}", Guid, (GUID *)Guid, IrqlogPointer(Pointer), (const void *)Other, Counter);
    IRQLOG_INFO("{} {} {} {}", Wide, (PWSTR)Wide, (PCWSTR)Wide, L"literal");
    IRQLOG_INFO("{} {} {}", IrqlogText((PUCHAR)Text), IrqlogHandle(Pointer), IrqlogBool((BOOLEAN)1));
    IRQLOG_INFO("{} {} {}", Bits.Three, Bits.Five, Constant);
    IRQLOG_INFO("{{}} {0} {0:>1$} {:.*}", 1ull, 2ull, 3ull);
    IRQLOG_TRACE("{} {} {:?} {}", IrqlogStatus(-1), IrqlogString(Text, 2), IrqlogBytes(Text, 3), IrqlogUtf16(Text, 4));
    IRQLOG_INFO_NEVER_WAITS("{}{}{}{}{}{}{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    IRQLOG_EVENT(IRQLOG_LEVEL_WARN, 0, "{}", Red);
    IRQLOG_SPAN Span, Inner;
    IRQLOG_BEGIN(IRQLOG_LEVEL_INFO, Span, "no arguments");
    IRQLOG_BEGIN_NEVER_WAITS(IRQLOG_LEVEL_INFO, Inner, "{}{}{}{}{}{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    IRQLOG_END_NEVER_WAITS(IRQLOG_LEVEL_INFO, Inner);
    IRQLOG_END(IRQLOG_LEVEL_INFO, Span);
    IRQLOG_COUNTER(IRQLOG_LEVEL_DEBUG, "queue depth", 7);
    if (Name) IRQLOG_INFO("in an if"); else IRQLOG_INFO("and an else");
    if (Name) IRQLOG_BLOB(IRQLOG_LEVEL_DEBUG, 7, Name, sizeof(*Name)); else IRQLOG_BLOB_NEVER_WAITS(1, 8u, Text, 5);
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
        ("Role", std::mem::offset_of!(SiteHeader, role)),
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
    // Those that C has no type for are not there: usize and isize, 128 bits.
    for kind in ArgumentKind::KNOWN {
        let name = kind.name().unwrap().to_uppercase();
        if !["USIZE", "ISIZE", "U128", "I128"].contains(&&*name) {
            check(format!("IRQLOG_KIND_{name} == {}", kind.0));
        }
    }
    out
}

/// The standards that a driver may be compiled as, as clang-cl and MSVC call them.
const STANDARDS: [&str; 4] = ["c11", "c17", "c++17", "c++20"];

/// An architecture, as clang and as the kernel's headers call it.
const ARCHS: [(&str, &str); 2] = [("x86_64", "_AMD64_"), ("aarch64", "_ARM64_")];

fn is_cpp(standard: &str) -> bool {
    standard.starts_with("c++")
}

/// A folder for the files of a test, with the kernel's headers.
fn folder(what: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("irqlog-h-{what}"));
    irqlog_kit::write_kernel_headers(&folder).unwrap();
    folder
}

/// Runs a tool of LLVM; what it says if it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask build` installs it", command.get_program().display());
    });
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Compiles one file, which includes the header first.
fn compile_file(file: &Path, code: &str, standard: &str, (target, define): (&str, &str)) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = if is_cpp(standard) { "static_assert(x, #x)" } else { "_Static_assert(x, #x)" };
    let text =
        format!("#include <ntddk.h>\n#include \"irqlog.h\"\n#define IRQLOG_CHECK(x) {check}\nstruct Unknown;\n{code}");
    std::fs::write(file, text).unwrap();
    run(Command::new(CLANG)
        .arg(format!("--target={target}-pc-windows-msvc"))
        .args(["/c", "/kernel", "/GS-", "/O2", "/W4", "/WX", "/permissive-"])
        .arg(format!("/std:{standard}"))
        .args([format!("/D{define}"), format!("/Fo{}", file.with_extension("obj").display())])
        .arg("-imsvc")
        .arg(file.parent().unwrap())
        .arg(format!("-I{}", root.join("../../crates/provider/include").display()))
        .arg("--")
        .arg(file))
}

/// Compiles for both architectures; the messages if it fails.
fn compile(code: &str, standard: &str, what: &str) -> Result<(), String> {
    let file = folder(&format!("{what}-{standard}")).join(if is_cpp(standard) { "driver.cpp" } else { "driver.c" });
    for arch in ARCHS {
        compile_file(&file, code, standard, arch)?;
        let object = std::fs::read(file.with_extension("obj")).unwrap();
        assert!(object.windows(SECTION.len()).any(|bytes| bytes == SECTION.as_bytes()), "no section {SECTION}");
    }
    Ok(())
}

#[test]
fn c_and_cpp_drivers_compile_and_have_the_same_bytes() {
    let assertions = assertions();
    assert!(assertions.lines().count() > 45, "too little was checked");
    assert_eq!(MAX_PROVIDER_NAME, 64, "the header's documentation says so");
    for standard in STANDARDS {
        compile(&format!("{assertions}{CALLS}"), standard, "all").unwrap();
    }
}

#[test]
fn what_cannot_be_an_argument_does_not_compile() {
    for standard in STANDARDS {
        let bad = "struct Pair { int a, b; };\nvoid f(struct Pair p) { IRQLOG_INFO(\"{}\", p); }\n";
        let error = compile(bad, standard, "bad").expect_err("a structure is no argument");
        assert!(error.contains("Pair"), "{error}");
        // The thirteenth.
        let many = "void f(void) { IRQLOG_INFO(\"\", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13); }\n";
        assert!(compile(many, standard, "bad").is_err());
    }
}

/// What the compiler says of a call; as an error, since warnings are.
fn said(call: &str, standard: &str) -> String {
    let code = format!("void f(void *Handle) {{ (void)Handle; {call}; }}\n");
    compile(&code, standard, "said").expect_err(call)
}

#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "they are formats of log calls")]
fn a_call_that_loses_an_argument_is_warned_of() {
    const FEWER: &str = "the format has fewer placeholders than there are arguments";
    const MORE: &str = "the format has more placeholders than there are arguments";
    const NO_FORMAT: &str = "the format has a lone brace or an unknown style";
    for standard in STANDARDS {
        for (call, sentence) in [
            ("IRQLOG_INFO(\"too few {}\", 1, 2, 3)", FEWER),
            ("IRQLOG_INFO(\"%d %s\", 1, \"x\")", FEWER),
            ("IRQLOG_INFO(\"{}{}{}{}{}{}{}{}{}{}{}\", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)", FEWER),
            ("IRQLOG_INFO(\"{} {} {}\", 1)", MORE),
            ("IRQLOG_INFO(\"{}\")", MORE),
            ("IRQLOG_INFO(\"{}{}{}{}{}{}{}{}{}{}{}{}{}\", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)", MORE),
            ("IRQLOG_INFO(\"{}\", Handle)", "write IrqlogHandle(x) for a HANDLE or an id"),
            ("IRQLOG_INFO(\"{}\", (__int128)1)", "an argument has at most 64 bits"),
        ] {
            let said = said(call, standard);
            assert!(said.contains(sentence), "{standard}: {call}: {said}");
        }
    }
    // What takes a loop to find, C++ finds.
    for (call, sentence) in [
        ("IRQLOG_INFO(\"{:q}\", 1)", NO_FORMAT),
        ("IRQLOG_INFO(\"{} {\", 1)", NO_FORMAT),
        ("IRQLOG_INFO(\"} {}\", 1)", NO_FORMAT),
        ("enum class E { A }; IRQLOG_INFO(\"{}\", E::A)", "cast an enum class to its number"),
    ] {
        let said = said(call, "c++17");
        assert!(said.contains(sentence), "{call}: {said}");
    }
}

/// Inline functions of a header that log, in C and in C++.
const INLINE: &str = r#"
FORCEINLINE void Forced(unsigned Port) { IRQLOG_INFO("forced {}", Port); IRQLOG_WARN("again {}", Port); }
inline void Plain(unsigned Port) { IRQLOG_INFO("plain {}", Port); }
__inline void Old(unsigned Port) { IRQLOG_INFO("old {}", Port); }
"#;

/// More of them, in C++ only.
const INLINE_CPP: &str = r#"
template <class T> struct Queue { T Item; void Push(T Value) { IRQLOG_INFO("push {}", Value); Item = Value; } };
struct Lambda { void Run() { auto Log = [](int y) { IRQLOG_DEBUG("lambda {}", y); }; Log(3); } };
"#;

/// The section of sites of an image that is linked of two files that include the same header.
fn sites_of_two(standard: &str, arch: (&str, &str)) -> Vec<u8> {
    let folder = folder(&format!("two-{}-{standard}", arch.0));
    let more = if is_cpp(standard) { INLINE_CPP } else { "" };
    std::fs::write(folder.join("shared.h"), format!("{INLINE}{more}")).unwrap();
    let mut link = Command::new(LINK);
    link.args(["/dll", "/noentry", "/nodefaultlib", "/opt:ref", "/out:two.dll"]).current_dir(&folder);
    for name in ["First", "Second"] {
        let file = folder.join(format!("{name}.{}", if is_cpp(standard) { "cpp" } else { "c" }));
        let (calls, extern_c) = if is_cpp(standard) {
            ("Queue<int> Q; Q.Push(1); Queue<short> R; R.Push(2); Lambda{}.Run();", "extern \"C\" ")
        } else {
            ("", "")
        };
        let code =
            format!("#include \"shared.h\"\n{extern_c}void {name}(void) {{ Forced(1); Plain(2); Old(3); {calls} }}\n");
        compile_file(&file, &code, standard, arch).unwrap();
        link.arg(file.with_extension("obj")).arg(format!("/export:{name}"));
    }
    run(&mut link).unwrap();
    let image = std::fs::read(folder.join("two.dll")).unwrap();
    let image = PeFile64::parse(&*image).unwrap();
    image.section_by_name(SECTION).unwrap().data().unwrap().to_vec()
}

/// The table that a registration of a section makes.
fn table_of(section: &[u8]) -> SiteTable {
    let mut header = ProviderHeader::new_zeroed();
    header.magic.set(PROVIDER_MAGIC);
    // An entry without a name would be room that nobody has taken.
    let name = *b"two_c\0\0\0";
    header.name_size.set(5);
    header.size.set((size_of::<ProviderHeader>() + name.len() + section.len()) as u32);
    header.sites_offset.set((size_of::<ProviderHeader>() + name.len()) as u32);
    header.sites_size.set(section.len() as u32);
    header.site_count.set(sites(section).count() as u32);
    SiteTable::parse([header.as_bytes(), &name, section].concat())
}

/// C gives each file a site of its own, and C++ each type that a template is made for; a reader takes those for one.
#[test]
fn a_call_in_a_header_is_one_site() {
    for standard in STANDARDS {
        for arch in ARCHS {
            let expected: &[&str] = if is_cpp(standard) {
                &["again {}", "forced {}", "lambda {}", "old {}", "plain {}", "push {}"]
            } else {
                &["again {}", "forced {}", "old {}", "plain {}"]
            };
            let table = table_of(&sites_of_two(standard, arch));
            let [provider] = table.providers() else { panic!("one provider") };
            let mut formats: Vec<_> = table
                .sites_of(provider)
                .map(|(_, site)| {
                    assert_eq!(site.file, b"shared.h");
                    String::from_utf8(site.format.to_vec()).unwrap()
                })
                .collect();
            formats.sort();
            assert_eq!(formats, expected, "{standard} {arch:?}");
            assert_eq!(provider.sites as usize, expected.len(), "{standard} {arch:?}");
        }
    }
}
