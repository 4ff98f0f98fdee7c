//! What is made from the table and kept in other files: it is compared with the table here, and written anew by
//! `IRQLOG_ACCEPT=1 cargo test -p irqlog-nt`.

use std::{collections::BTreeSet, fs, path::Path};

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
        "docs/windows.md",
        "<!-- imports: made from tools/nt/src/routines.rs -->\n",
        "\n<!-- imports: end -->",
        &table,
    );
}

#[test]
fn what_the_first_run_probes() {
    let modules: BTreeSet<_> =
        EXPORTS.iter().filter(|e| e.is_for_driver()).flat_map(|e| [e.modules.x64, e.modules.arm64]).flatten().collect();
    let quoted = |names: &[&str]| {
        let mut lines = vec![String::new()];
        for (index, name) in names.iter().enumerate() {
            let comma = if index + 1 == names.len() { "" } else { "," };
            let item = format!(" '{name}'{comma}");
            if lines.last().unwrap().len() + item.len() > 105 {
                lines.push(String::new());
            }
            lines.last_mut().unwrap().push_str(&item);
        }
        lines.iter().map(|line| format!("   {line}\n")).collect::<String>()
    };
    let names: Vec<_> = imports().iter().map(|export| export.name).collect();
    let modules: Vec<_> = modules.into_iter().collect();
    let script = format!("$Modules = @(\n{})\n$Imports = @(\n{})\n", quoted(&modules), quoted(&names));
    check("tools/vm/first-run.ps1", "# Imports: made from tools/nt/src/routines.rs.\n", "# Imports: end.", &script);
}
