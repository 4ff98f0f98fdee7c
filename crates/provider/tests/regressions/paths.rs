//! easyloggingpp #537: the image does not say in which folder it was built.

use std::path::{Path, PathBuf};

use crate::compile;

/// A package outside of any workspace, compiled by its absolute path as cargo does with what comes from a registry.
fn package(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paths").join(name);
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let code = "pub fn probe(port: u8) { irqlog_provider::info!(\"probe {port}\"); }\n";
    std::fs::write(folder.join("src/nic.rs"), code).unwrap();
    folder
}

/// The path in the one site of the object: it stands behind the name of the module.
fn path_in_site(package: &Path, arguments: &[String], environment: &[(&str, &str)]) -> String {
    let file = package.join("src/nic.rs");
    compile(&file, arguments, environment).unwrap();
    let object = std::fs::read(file.with_extension("o")).unwrap();
    let before = b"probe {port}portnic".as_slice();
    let start = object.windows(before.len()).position(|bytes| bytes == before).expect("a site") + before.len();
    let end = object[start..].windows(3).position(|bytes| bytes == b".rs").unwrap() + start + 3;
    String::from_utf8(object[start..end].to_vec()).unwrap()
}

#[test]
fn a_package_from_elsewhere_is_shown_from_its_own_folder() {
    let package = package("elsewhere");
    let folder = package.to_str().unwrap();
    assert_eq!(path_in_site(&package, &[], &[("CARGO_MANIFEST_DIR", folder)]), "src/nic.rs");
}

#[test]
fn a_root_can_be_stated() {
    let package = package("stated");
    let (folder, root) = (package.to_str().unwrap(), env!("CARGO_TARGET_TMPDIR"));
    let environment = [("CARGO_MANIFEST_DIR", folder), ("IRQLOG_ROOT", root)];
    assert_eq!(path_in_site(&package, &[], &environment), "paths/stated/src/nic.rs");
}

#[test]
fn a_remapped_path_stays_as_the_compiler_gives_it() {
    let package = package("remapped");
    let folder = package.to_str().unwrap();
    let remap = [format!("--remap-path-prefix={folder}=nic-1.0")];
    assert_eq!(path_in_site(&package, &remap, &[("CARGO_MANIFEST_DIR", folder)]), "nic-1.0/src/nic.rs");
}
