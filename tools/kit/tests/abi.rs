//! Compares the clean-room `wdf.h` with `testdata/kmdf-abi.json`, which was measured on Microsoft's public headers.
//!
//! The test turns the facts into static assertions, which clang checks while it compiles the header, for both
//! architectures: index and signature of every function, size of every structure, offset and size of every field, value
//! of every enumerator. It reads the declarations from the header's text, so that no declaration goes unchecked because
//! somebody forgot to list it.

use std::{fmt::Write, path::Path, process::Command};

use serde_json::Value;

const CLANG: &str = "clang-cl-19";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn facts() -> Value {
    let text = std::fs::read_to_string(root().join("../../testdata/kmdf-abi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn header() -> String {
    std::fs::read_to_string(root().join("include/wdf/wdf.h")).unwrap()
}

/// Every name in the header that begins with `before` and ends with `after`, without both.
fn names<'h>(header: &'h str, before: &str, after: &str) -> Vec<&'h str> {
    header
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(before)?.split_once(after))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .collect()
}

fn check(assertions: &mut String, condition: &str) {
    writeln!(assertions, "_Static_assert({condition}, {:?});", condition.replace('"', "'")).unwrap();
}

/// The assertions, and how many there are.
fn assertions(facts: &Value, header: &str) -> String {
    let mut out = String::from("#include \"wdf.h\"\n#define offsetof(t, f) __builtin_offsetof(t, f)\n");
    let functions = names(header, "Wdf", "TableIndex =");
    assert!(functions.len() > 30, "the header's function table was not found");
    for function in functions {
        let name = format!("Wdf{function}");
        let index = &facts["functions"][&name];
        assert!(index.is_u64(), "{name} is not in the facts");
        check(&mut out, &format!("{name}TableIndex == {index}"));
        let signature = facts["signatures"][&name].as_str().unwrap_or_else(|| panic!("{name} has no signature"));
        let pfn = format!("PFN_{}", name.to_uppercase());
        check(&mut out, &format!("__builtin_types_compatible_p({pfn}, __typeof__({signature}) *)"));
    }
    check(&mut out, &format!("WdfFunctionTableNumEntries == {}", facts["function_table_entries"]));
    for structure in names(header, "typedef struct _", " {") {
        let fact = &facts["structs"][structure];
        assert!(fact.is_object(), "{structure} is not in the facts");
        check(&mut out, &format!("sizeof({structure}) == {}", fact["size"]));
        check(&mut out, &format!("_Alignof({structure}) == {}", fact["align"]));
        for field in fact["fields"].as_array().unwrap() {
            let (name, offset, size) = (field[0].as_str().unwrap(), &field[1], &field[2]);
            check(&mut out, &format!("offsetof({structure}, {name}) == {offset}"));
            check(&mut out, &format!("sizeof((({structure} *)0)->{name}) == {size}"));
        }
    }
    for enumeration in names(header, "typedef enum _", " {") {
        if enumeration == "WDFFUNCENUM" {
            continue;
        }
        let fact =
            facts["enums"][enumeration].as_object().unwrap_or_else(|| panic!("{enumeration} is not in the facts"));
        for (name, value) in fact {
            check(&mut out, &format!("(unsigned){name} == {value}u"));
        }
    }
    out
}

/// Compiles for both architectures; the compiler's messages if one fails.
fn compile(code: &str, header: &str, what: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(what);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("facts.c");
    std::fs::write(&file, code).unwrap();
    std::fs::write(folder.join("wdf.h"), header).unwrap();
    irqlog_kit::write_kernel_headers(&folder).unwrap();
    for (target, define) in [("x86_64", "_AMD64_"), ("aarch64", "_ARM64_")] {
        let output = Command::new(CLANG)
            .arg(format!("--target={target}-pc-windows-msvc"))
            .args(["/Zs", "/kernel", "/DKMDF_VERSION_MAJOR=1", "/DKMDF_VERSION_MINOR=31", "/WX"])
            .arg(format!("/D{define}"))
            .arg("-imsvc")
            .arg(&folder)
            .arg("--")
            .arg(&file)
            .output()
            .unwrap_or_else(|error| panic!("{CLANG}: {error}; `cargo xtask build` installs it"));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(())
}

#[test]
fn everything_declared_is_as_measured() {
    let (facts, header) = (facts(), header());
    let code = assertions(&facts, &header);
    assert!(code.matches("_Static_assert").count() > 200, "too few facts were checked");
    compile(&code, &header, "as-measured").unwrap();
}

#[test]
fn a_wrong_header_is_found() {
    let (facts, header) = (facts(), header());
    let code = assertions(&facts, &header);
    for (what, from, to) in [
        ("index", "WdfRequestCompleteTableIndex = 263", "WdfRequestCompleteTableIndex = 264"),
        ("layout", "    ULONG Period;\n", "    ULONGLONG Period;\n"),
        ("value", "WdfUseDefault = 2", "WdfUseDefault = 3"),
        ("signature", "WDFREQUEST Request, NTSTATUS Status)", "WDFREQUEST Request, ULONG_PTR Status)"),
    ] {
        assert!(header.contains(from), "{from} is not in the header");
        let error = compile(&code, &header.replacen(from, to, 1), what).expect_err(what);
        assert!(error.contains("static assertion failed"), "{what}: {error}");
    }
}
