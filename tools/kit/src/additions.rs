//! What a driver adds to the kit: declarations and exports that the driver uses and irqlog does not.
//!
//! They lie in a folder of the driver's own. On Windows nothing looks at it: there the WDK has them.
//!
//! | File | What |
//! |---|---|
//! | `declarations.h` | C declarations, which ntddk.h includes last |
//! | `MODULE.def` | what a module exports besides, as a module definition: `ntoskrnl.def`, `hal.def`, `WdfLdr.def`, or any other, which gets an import library of that name |

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{Arch, LIBRARIES, Tools, declarations, definition, import_library, kernel_libraries, kmdf_libraries};

/// The additions of one driver.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    declarations: Option<PathBuf>,
    definitions: Vec<PathBuf>,
}

impl Additions {
    /// Looks for them in a folder, which need not be there.
    ///
    /// # Errors
    /// If the folder cannot be read, or has a file that is neither of the two.
    pub fn find(folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        if !folder.is_dir() {
            return Ok(found);
        }
        for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let is_definition = path.extension().is_some_and(|extension| extension == "def");
            let is_header = path.file_name().is_some_and(|name| name == "declarations.h");
            ensure!(
                is_definition || is_header,
                "{} is no addition to the kit: those are declarations.h and MODULE.def",
                path.display()
            );
            if is_definition {
                found.definitions.push(path);
            } else {
                found.declarations = Some(path);
            }
        }
        found.definitions.sort();
        Ok(found)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.declarations.is_none() && self.definitions.is_empty()
    }

    /// The import libraries that the kit does not have without them.
    pub fn new_libraries(&self) -> Vec<String> {
        self.definitions.iter().filter(|path| known(path).is_none()).map(|path| stem(path)).collect()
    }

    /// Appends the declarations to what ntddk.h includes last.
    pub(crate) fn declare(&self, headers: &Path) -> Result<()> {
        let Some(declared) = &self.declarations else { return Ok(()) };
        let text = fs::read_to_string(declared).with_context(|| format!("reading {}", declared.display()))?;
        let routines = headers.join(declarations::FILE);
        // A compiler names the driver's own file and line.
        let all = format!("{}\n#line 1 {:?}\n{text}", declarations::declarations(), declared.display().to_string());
        fs::write(&routines, all).with_context(|| format!("writing {}", routines.display()))
    }

    /// Makes the import libraries again, with what the driver adds.
    pub(crate) fn libraries(&self, root: &Path, arch: Arch, tools: &Tools) -> Result<()> {
        for path in &self.definitions {
            let added = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            let (text, folder) = match known(path) {
                Some((library, module)) => {
                    let folder =
                        if *library == "WdfLdr" { kmdf_libraries(root, arch) } else { kernel_libraries(root, arch) };
                    (definition(module, arch) + &exports(path, &added)?, folder)
                }
                None => (added, kernel_libraries(root, arch)),
            };
            let library = known(path).map_or_else(|| stem(path), |(library, _)| (*library).to_owned());
            let [def, lib] = ["def", "lib"].map(|extension| folder.join(&library).with_extension(extension));
            import_library(&def, &text, &lib, arch, tools)?;
        }
        Ok(())
    }
}

/// The lines of a definition behind `EXPORTS`.
fn exports(path: &Path, definition: &str) -> Result<String> {
    let mut lines = definition.lines().skip_while(|line| line.trim() != "EXPORTS");
    ensure!(lines.next().is_some(), "{} has no line EXPORTS, behind which the names stand", path.display());
    Ok(lines.map(|line| format!("{}\n", line.trim())).collect())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The library of the kit that a definition adds to, and its module.
fn known(path: &Path) -> Option<&'static (&'static str, &'static str)> {
    LIBRARIES.iter().find(|(library, _)| library.eq_ignore_ascii_case(&stem(path)))
}
