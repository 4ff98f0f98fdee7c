//! A driver in C or C++: each source file of its folder, compiled by clang-cl and linked by lld-link.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use irqlog_kit::Arch;

use super::Outside;
use crate::{host, setup::clang_cl, shell::root};

/// The folders that are looked into for sources and headers, below the driver's.
const FOLDERS: [&str; 3] = ["", "src", "include"];

/// What the linker is told besides the names.
const LINK: [&str; 8] =
    ["/DRIVER", "/NODEFAULTLIB", "/SUBSYSTEM:NATIVE,10.00", "/RELEASE", "/DYNAMICBASE", "/NXCOMPAT", "/DEBUG", "/MAP"];

impl Outside {
    /// Builds it for an architecture, and gives the image.
    pub(super) fn build_c(&self, arch: Arch, more: &[String]) -> Result<PathBuf> {
        let sources = sources(&self.folder)?;
        if sources.is_empty() {
            bail!("{} has neither a Cargo.toml nor a file in C or C++, here or in src", self.folder.display());
        }
        let image = self.image(arch, &name(&self.folder)?)?;
        let mut objects = Vec::new();
        let mut is_framework = false;
        for (index, source) in sources.iter().enumerate() {
            let text = fs::read(source).with_context(|| format!("reading {}", source.display()))?;
            is_framework |= String::from_utf8_lossy(&text).contains("<wdf.h>");
            let object = image.with_extension(format!("{index}.obj"));
            self.run(
                self.compile(source, arch).args(more).arg(format!("/Fo{}", object.display())).arg("--").arg(source),
            )?;
            objects.push(object);
        }
        let mut link = Command::new(host::lld_link());
        link.args(LINK).arg(format!("/OUT:{}", image.display())).args(&objects);
        link.arg(if is_framework { "/ENTRY:FxDriverEntry" } else { "/ENTRY:DriverEntry" });
        let km = irqlog_kit::kernel_libraries(&self.wdk, arch);
        let kmdf = irqlog_kit::kmdf_libraries(&self.wdk, arch);
        let added = self.additions.new_libraries();
        for library in ["ntoskrnl", "hal", "cng"].into_iter().chain(added.iter().map(String::as_str)) {
            link.arg(km.join(format!("{library}.lib")));
        }
        if is_framework {
            link.arg(kmdf.join("WdfDriverEntry.lib")).arg(kmdf.join("WdfLdr.lib"));
        }
        self.run(&mut link)?;
        Ok(image)
    }

    fn compile(&self, source: &Path, arch: Arch) -> Command {
        let mut compile = clang_cl(&self.tools, &irqlog_kit::kernel_headers(&self.wdk), arch);
        compile.current_dir(&self.folder).arg("/O2");
        let is_c = source.extension().is_some_and(|extension| extension == "c");
        compile.arg(if is_c { "/std:c11" } else { "/std:c++20" });
        compile.args(["/DKMDF_VERSION_MAJOR=1", "/DKMDF_VERSION_MINOR=31"]);
        compile.arg("-imsvc").arg(irqlog_kit::kmdf_headers(&self.wdk));
        for folder in FOLDERS {
            compile.arg(format!("-I{}", self.folder.join(folder).display()));
        }
        compile.arg(format!("-I{}", root().join("crates/provider/include").display()));
        compile
    }
}

/// The files in C and C++ of a driver's folder, in order.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for folder in FOLDERS.map(|name| folder.join(name)) {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| ["c", "cc", "cpp", "cxx"].iter().any(|of| extension == *of)) {
                sources.push(path);
            }
        }
    }
    sources.sort();
    Ok(sources)
}

/// The driver's name: that of the project in CMakeLists.txt, or the folder's.
fn name(folder: &Path) -> Result<String> {
    let cmake = fs::read_to_string(folder.join("CMakeLists.txt")).unwrap_or_default();
    let project = cmake.lines().find_map(|line| line.trim().strip_prefix("project("));
    let project = project.and_then(|rest| rest.split([' ', ')']).next()).filter(|name| !name.is_empty());
    match project {
        Some(name) => Ok(name.to_owned()),
        None => Ok(folder.file_name().context("the root folder is no driver")?.to_string_lossy().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_name_of_a_folder() {
        let folder = std::env::temp_dir().join(format!("irqlog-outside-c-{}", std::process::id()));
        fs::create_dir_all(folder.join("src")).unwrap();
        for file in ["b.c", "a.cpp", "a.h", "src/z.cc", "readme.md"] {
            fs::write(folder.join(file), "").unwrap();
        }
        let found = sources(&folder).unwrap();
        assert_eq!(found, ["a.cpp", "b.c", "src/z.cc"].map(|file| folder.join(file)));
        assert_eq!(name(&folder).unwrap(), folder.file_name().unwrap().to_string_lossy());
        fs::write(folder.join("CMakeLists.txt"), "# mine\nproject(mydrv C CXX)\n").unwrap();
        assert_eq!(name(&folder).unwrap(), "mydrv");
        fs::remove_dir_all(folder).unwrap();
    }
}
