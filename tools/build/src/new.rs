//! Writes a new driver: a small, whole provider in Rust or in C, which is then built as it is.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::shell::root;

/// The language of a new driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust, on windows-drivers-rs.
    Rust,
    /// C, with irqlog.h.
    C,
}

/// A file of the template: its name, where `@name@` is that of the driver, and its text.
type Template = (&'static str, &'static str);

const RUST: &[Template] = &[
    ("Cargo.toml", include_str!("new/rust/Cargo.toml.in")),
    ("build.rs", include_str!("new/rust/build.rs.in")),
    ("src/lib.rs", include_str!("new/rust/lib.rs.in")),
    ("@name@.inx", include_str!("new/driver.inx.in")),
    (".gitignore", "/target\n"),
];
const C: &[Template] = &[
    ("CMakeLists.txt", include_str!("new/c/CMakeLists.txt.in")),
    ("@name@.c", include_str!("new/c/driver.c.in")),
    ("@name@.inx", include_str!("new/driver.inx.in")),
    (".gitignore", "/target\n"),
];

/// The longest name of a driver: a crate, a service and a provider have it.
const LONGEST: usize = 32;

/// Writes a driver into a new folder, whose name is the driver's.
///
/// # Errors
/// If there is something in the folder, or its name cannot be a driver's.
pub fn write(folder: &Path, language: Language) -> Result<()> {
    let folder = std::path::absolute(folder).with_context(|| format!("where {} is", folder.display()))?;
    let name = folder.file_name().context("a driver's folder has a name")?.to_string_lossy().into_owned();
    check_name(&name)?;
    let is_empty = fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_empty, "{} is not empty: nothing was written", folder.display());
    // The checkout's own files, by a path: it is what is there. Cargo.toml says what stands there for others.
    let irqlog = root().display().to_string();
    for (file, text) in if language == Language::Rust { RUST } else { C } {
        let path = folder.join(file.replace("@name@", &name));
        let parent = path.parent().context("a file lies in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        let text = text.replace("@name@", &name).replace("@irqlog@", &irqlog);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let is_name = name.len() <= LONGEST
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    ensure!(
        is_name,
        "{name:?} cannot be the name of a driver: take lower-case letters, digits and _, a letter first, at most {LONGEST}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_no_placeholder_is_left() {
        let folder = std::env::temp_dir().join(format!("irqlog_new_{}", std::process::id()));
        for language in [Language::Rust, Language::C] {
            write(&folder, language).unwrap();
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            for file in ["src/lib.rs".to_owned(), "Cargo.toml".to_owned(), format!("{name}.c"), format!("{name}.inx")] {
                let Ok(text) = fs::read_to_string(folder.join(&file)) else { continue };
                assert!(!text.contains("@name@") && !text.contains("@irqlog@"), "{file}");
                assert!(text.contains(&name) || file == "src/lib.rs", "{file}");
            }
            assert!(write(&folder, language).unwrap_err().to_string().contains("is not empty"));
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn a_name_is_a_crate_s_and_a_service_s() {
        assert!(check_name("mydriver2").is_ok());
        for bad in ["", "My", "2a", "my-driver", "a.b", &"a".repeat(33)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
