//! The PE file: imports, header, sections, checksum.

use std::{fmt::Write, path::Path};

use anyhow::{Context, Result, ensure};
use irqlog_kit::Arch;
use irqlog_nt::routines::{EXPORTS, Export};
use irqlog_wire::site;
use object::{
    LittleEndian as LE, pe,
    read::pe::{ImageNtHeaders, ImageOptionalHeader, ImageThunkData, PeFile64},
};

/// A section.
#[derive(Debug)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// First relative address.
    pub start: u64,
    /// Bytes in memory.
    pub size: u64,
    flags: u32,
    /// Its bytes in the file, as far as they are in memory.
    data: Vec<u8>,
}

impl Section {
    /// Whether it stays in memory: neither pageable by its name nor discarded after the start.
    pub fn is_resident(&self) -> bool {
        !self.name.starts_with("PAGE")
            && !self.name.starts_with("INIT")
            && self.flags & pe::IMAGE_SCN_MEM_DISCARDABLE == 0
    }
}

/// The subsystem's version in the optional header: what the WDK's projects ask for on every architecture.
const SUBSYSTEM_VERSION: (u16, u16) = (10, 0);

/// The parts of a PE file that rules are about.
#[derive(Debug)]
pub struct LinkedImage {
    imports: Vec<(String, String)>,
    /// Its sections.
    pub sections: Vec<Section>,
    subsystem: u16,
    subsystem_version: (u16, u16),
    characteristics: u16,
    checksum: (u32, u32),
    /// Preferred base address.
    pub base: u64,
}

impl LinkedImage {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is no 64-bit PE image.
    pub fn read(path: &Path) -> Result<Self> {
        let data =
            std::fs::read(path).with_context(|| format!("reading {}; `cargo xtask build` makes it", path.display()))?;
        let file = PeFile64::parse(&*data).with_context(|| format!("{} is no PE image", path.display()))?;
        let optional = file.nt_headers().optional_header();
        let sections = file
            .section_table()
            .iter()
            .map(|section| Section {
                name: String::from_utf8_lossy(section.raw_name()).into_owned(),
                start: section.virtual_address.get(LE).into(),
                size: section.virtual_size.get(LE).into(),
                flags: section.characteristics.get(LE),
                data: section.pe_data(&*data).map(|bytes| in_memory(bytes, section)).unwrap_or_default(),
            })
            .collect();
        Ok(Self {
            imports: imports(&file)?,
            sections,
            subsystem: optional.subsystem(),
            subsystem_version: (optional.major_subsystem_version.get(LE), optional.minor_subsystem_version.get(LE)),
            characteristics: optional.dll_characteristics(),
            checksum: (optional.check_sum(), checksum(&data, file.dos_header().nt_headers_offset() as usize)),
            base: optional.image_base(),
        })
    }

    /// The broken rules, one message each; `may_import` says which routines of the table in `tools/nt` may be imported.
    pub fn check(&self, arch: Arch, may_import: fn(&Export) -> bool) -> Vec<String> {
        let mut broken = Vec::new();
        for (module, name) in &self.imports {
            match EXPORTS.iter().find(|export| export.name == name) {
                None => broken.push(format!("imports {module}!{name}, which has no row in tools/nt/src/routines.rs")),
                Some(row) if !may_import(row) => broken.push(format!("imports {module}!{name}, which it may not")),
                Some(row) => match arch.module_of(row) {
                    Some(of) if of == module => {}
                    of => broken.push(format!(
                        "imports {name} from {module}; on {} it is in {}",
                        arch.name(),
                        of.unwrap_or("no module")
                    )),
                },
            }
        }
        if self.subsystem != pe::IMAGE_SUBSYSTEM_NATIVE {
            broken.push(format!("subsystem {} is not NATIVE", self.subsystem));
        }
        if self.subsystem_version != SUBSYSTEM_VERSION {
            let ((major, minor), (least, of)) = (self.subsystem_version, SUBSYSTEM_VERSION);
            broken.push(format!("the subsystem's version is {major}.{minor:02}, not {least}.{of:02}"));
        }
        for (flag, name) in [
            (pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, "NX_COMPAT"),
            (pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, "DYNAMIC_BASE"),
        ] {
            if self.characteristics & flag == 0 {
                broken.push(format!("{name} is not set"));
            }
        }
        if self.checksum.0 != self.checksum.1 {
            broken.push(format!("checksum {:#x} in the header, {:#x} of the file", self.checksum.0, self.checksum.1));
        }
        for section in &self.sections {
            if section.flags & pe::IMAGE_SCN_MEM_WRITE != 0 && section.flags & pe::IMAGE_SCN_MEM_EXECUTE != 0 {
                broken.push(format!("section {} is writable and executable", section.name));
            }
        }
        broken
    }

    /// Number of the sites of a driver that logs events.
    ///
    /// # Errors
    /// If there is no section of them, or it can be written, or something else lies in it, or a site has an absolute path,
    /// which is one of the machine that the driver was built on.
    pub fn sites(&self) -> Result<usize> {
        let section = self.sections.iter().find(|section| section.name.trim_end_matches('\0') == site::SECTION);
        let section = section.with_context(|| format!("there is no section {}", site::SECTION))?;
        ensure!(section.flags & pe::IMAGE_SCN_MEM_WRITE == 0, "the section of sites can be written");
        let mut count = 0;
        for site in site::sites(&section.data) {
            let (_, site) =
                site.map_err(|wrong| anyhow::anyhow!("byte {} of the section of sites is no site", wrong.offset))?;
            let path = String::from_utf8_lossy(site.file);
            ensure!(!is_absolute(&path), "a site tells where it was built: {path}");
            count += 1;
        }
        ensure!(count != 0, "the section of sites is empty");
        Ok(count)
    }

    /// The section that a relative address lies in.
    pub fn section(&self, rva: u64) -> Option<&Section> {
        self.sections.iter().find(|section| (section.start..section.start + section.size).contains(&rva))
    }

    /// Number of imports and sizes of sections, for the report.
    pub fn report(&self) -> String {
        let mut text = format!("  {} imports, all on the allow-list; sections:", self.imports.len());
        for section in &self.sections {
            let _ = write!(text, " {} {}", section.name.trim_end_matches('\0'), section.size);
        }
        text.push('\n');
        text
    }
}

/// Whether a path, of any system, begins at a root or a drive.
fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.get(1..2) == Some(":")
}

/// A section's bytes without the padding of the file.
fn in_memory(bytes: &[u8], section: &pe::ImageSectionHeader) -> Vec<u8> {
    bytes.iter().copied().take(section.virtual_size.get(LE) as usize).collect()
}

/// Modules and names. (object's own list leaves out what is imported by ordinal, which here has to be an error.)
fn imports(file: &PeFile64<'_>) -> Result<Vec<(String, String)>> {
    let mut imports = Vec::new();
    let Some(table) = file.import_table()? else { return Ok(imports) };
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let module = String::from_utf8_lossy(table.name(descriptor.name.get(LE))?).into_owned();
        let mut thunks = table.thunks(descriptor.original_first_thunk.get(LE))?;
        while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>()? {
            ensure!(!thunk.is_ordinal(), "it imports from {module} by ordinal, not by name");
            let (_, name) = table.hint_name(thunk.address())?;
            imports.push((module.clone(), String::from_utf8_lossy(name).into_owned()));
        }
    }
    Ok(imports)
}

/// The checksum of a PE file, as the loader computes it: 16-bit words added with carry, without the field itself, plus
/// the length (documented with CheckSumMappedFile).
fn checksum(data: &[u8], nt_headers: usize) -> u32 {
    // Signature, file header, then 64 bytes into the optional header.
    let field = nt_headers + 4 + 20 + 64;
    let sum = data.chunks(2).enumerate().fold(0_u32, |sum, (index, word)| {
        let at = index * 2;
        let value = u32::from(word[0]) | u32::from(word.get(1).copied().unwrap_or(0)) << 8;
        let sum = sum + if (field..field + 4).contains(&at) { 0 } else { value };
        (sum & 0xffff) + (sum >> 16)
    });
    sum + data.len() as u32
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, process::Command};

    use irqlog_build::{
        host,
        shell::{output, root},
    };

    use super::{LinkedImage, is_absolute};

    /// Links an image whose one import, from ntoskrnl.exe, is this line of a module definition.
    fn image_that_imports(test: &str, export: &str) -> PathBuf {
        let tools = host::llvm().unwrap();
        let folder = root().join("target/tmp").join(format!("imagecheck-{test}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("kernel.def"), format!("LIBRARY ntoskrnl.exe\nEXPORTS\n{export}\n")).unwrap();
        let code = "unsigned long DbgPrint(const char *, ...);\nlong DriverEntry(void) { return DbgPrint(\"\"); }\n";
        fs::write(folder.join("driver.c"), code).unwrap();
        let run = |program: &std::path::Path, arguments: &[&str]| {
            output(Command::new(program).current_dir(&folder).args(arguments)).unwrap();
        };
        run(&tools.llvm_dlltool, &["-m", "i386:x86-64", "-d", "kernel.def", "-l", "kernel.lib"]);
        run(&tools.clang_cl, &["--target=x86_64-pc-windows-msvc", "/c", "/GS-", "/kernel", "/Zl", "driver.c"]);
        let link = ["/driver", "/nodefaultlib", "/subsystem:native", "/entry:DriverEntry", "/out:driver.sys"];
        run(&host::lld_link(), &[&link[..], &["driver.obj", "kernel.lib"]].concat());
        folder.join("driver.sys")
    }

    #[test]
    fn an_import_by_ordinal_is_refused() {
        let by_name = LinkedImage::read(&image_that_imports("name", "DbgPrint")).unwrap();
        assert_eq!(by_name.imports, [("ntoskrnl.exe".to_owned(), "DbgPrint".to_owned())]);
        let error = LinkedImage::read(&image_that_imports("ordinal", "DbgPrint @42 NONAME")).unwrap_err();
        assert!(format!("{error:#}").contains("it imports from ntoskrnl.exe by ordinal"), "{error:#}");
    }

    #[test]
    fn absolute_paths_are_those_of_any_system() {
        for path in ["/home/me/lib.rs", "\\\\server\\lib.rs", "C:\\me\\lib.rs", "c:/me/lib.rs"] {
            assert!(is_absolute(path), "{path}");
        }
        for path in ["samples/rust/src/lib.rs", "sample_c.c", "src\\lib.rs", "é:lib.rs", ""] {
            assert!(!is_absolute(path), "{path}");
        }
    }
}
