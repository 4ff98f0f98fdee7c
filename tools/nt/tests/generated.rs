//! What is made from the table and kept in other files: it is compared with the table here, and written anew by
//! `IRQLOG_ACCEPT=1 cargo test -p irqlog-nt`.

use std::{fs, path::Path};

use irqlog_nt::routines::{EXPORTS, Export, Importer};

/// Compares the lines between two markers of a file with what the table makes of them.
fn check(file: &str, begin: &str, end: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let after = text.find(begin).unwrap_or_else(|| panic!("{file} has no line {begin:?}")) + begin.len();
    let until = after + text[after..].find(end).unwrap_or_else(|| panic!("{file} has no line {end:?}"));
    if text[after..until] == *wanted {
        return;
    }
    if std::env::var_os("IRQLOG_ACCEPT").is_some() {
        fs::write(&path, format!("{}{wanted}{}", &text[..after], &text[until..])).unwrap();
        return;
    }
    panic!(
        "{file} is stale: it is not what tools/nt/src/routines.rs makes; `IRQLOG_ACCEPT=1 cargo test -p irqlog-nt` \
         writes it anew"
    );
}

/// What irqlog.sys may import, in the order of the alphabet, whatever the case.
fn imports() -> Vec<&'static Export> {
    let mut imports: Vec<_> = EXPORTS.iter().filter(|export| export.is_for_driver()).collect();
    imports.sort_by_key(|export| export.name.to_lowercase());
    imports
}

#[test]
fn the_import_table_of_the_windows_page() {
    let mut table = String::from("\n| Import | x64 | ARM64 | Record path | Source |\n|---|---|---|---|---|\n");
    for export in imports() {
        let cell = |module: Option<&'static str>| module.unwrap_or("-");
        table.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            export.name,
            cell(export.modules.x64),
            cell(export.modules.arm64),
            match export.importer {
                Importer::RecordPath(_) => "yes",
                Importer::CrashPath(_) => "at a crash",
                _ => "no",
            },
            export.importer.module_source().unwrap()
        ));
    }
    check(
        "docs/windows-provenance.md",
        "<!-- imports: made from tools/nt/src/routines.rs -->\n",
        "\n<!-- imports: end -->",
        &table,
    );
}
