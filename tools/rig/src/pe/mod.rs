//! Loading a `.sys` file: sections, relocations, imports, symbols.
//!
//! The image is all the rig knows of a driver. It is mapped with the protection that its sections ask for, so a write to
//! code or read-only data faults, as it would under Windows.

mod symbols;

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use object::{
    LittleEndian as LE, Object, pe,
    read::pe::{ImageNtHeaders, ImageOptionalHeader, ImageThunkData, PeFile64},
};

use crate::{
    arch::{self, THUNK_SIZE},
    memory::{Protection, Region},
};
pub use symbols::Symbols;

/// A loaded image.
pub struct LoadedImage {
    /// File name without folder.
    pub name: String,
    region: Region,
    /// Code: start and end of all executable sections.
    pub code: (usize, usize),
    entry: usize,
    exports: Vec<(String, usize)>,
    preferred_base: u64,
    /// Names out of the linker's map file, if it lies beside the image.
    pub symbols: Symbols,
}

/// Gives the address of an imported routine, by module and name.
pub type Resolve<'r> = &'r dyn Fn(&str, &str) -> Option<usize>;

impl LoadedImage {
    /// Loads a file.
    ///
    /// # Errors
    /// If it is no 64-bit kernel image for this machine, or imports something that `resolve` does not know; the message
    /// lists all of those.
    pub fn load(path: &Path, resolve: Resolve<'_>) -> Result<Arc<Self>> {
        let data = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let file = PeFile64::parse(&*data).with_context(|| format!("{} is no PE image", path.display()))?;
        let header = file.nt_headers();
        let optional = header.optional_header();
        ensure!(
            header.file_header().machine.get(LE) == arch::MACHINE,
            "{} is for another architecture: this rig runs images for {}",
            path.display(),
            arch::NAME
        );
        ensure!(optional.subsystem() == pe::IMAGE_SUBSYSTEM_NATIVE, "{} is no kernel image", path.display());
        let size = optional.size_of_image() as usize;
        let imports = imports(&file)?;
        // Thunks lie behind the image, in the same region: see `arch::thunk`.
        let thunks_at = size.next_multiple_of(4096);
        let mut region = Region::reserve(thunks_at + (imports.len() * THUNK_SIZE).next_multiple_of(4096).max(4096))?;
        region.write(0, data.get(..optional.size_of_headers() as usize).context("headers are cut off")?);
        for section in file.section_table().iter() {
            let (offset, length) = section.pe_file_range();
            let bytes = data
                .get(offset as usize..)
                .and_then(|rest| rest.get(..length as usize))
                .context("section is cut off")?;
            let fit = bytes.len().min(section.virtual_size.get(LE) as usize);
            region.write(section.virtual_address.get(LE) as usize, &bytes[..fit]);
        }
        relocate(&file, &mut region)?;
        let mut missing = Vec::new();
        for (index, (module, name, slot)) in imports.iter().enumerate() {
            match resolve(module, name) {
                Some(address) => {
                    let at = thunks_at + index * THUNK_SIZE;
                    region.write(at, &arch::thunk(address, arch::frame_offset()));
                    region.write(*slot, &(region.start() + at).to_le_bytes());
                }
                None => missing.push(format!("{module}!{name}")),
            }
        }
        if !missing.is_empty() {
            bail!("{} imports what the rig does not have: {}", path.display(), missing.join(", "));
        }
        let mut code = (usize::MAX, 0);
        for section in file.section_table().iter() {
            let (start, length) = (section.virtual_address.get(LE) as usize, section.virtual_size.get(LE) as usize);
            let flags = section.characteristics.get(LE);
            let protection = Protection {
                write: flags & pe::IMAGE_SCN_MEM_WRITE != 0,
                execute: flags & pe::IMAGE_SCN_MEM_EXECUTE != 0,
            };
            if protection.execute {
                code = (code.0.min(region.start() + start), code.1.max(region.start() + start + length));
            }
            region.protect(start, length, protection)?;
        }
        arch::code_written(region.start() as *const u8, region.size());
        region.protect(thunks_at, imports.len() * THUNK_SIZE, Protection { write: false, execute: true })?;
        let exports = file.exports()?;
        let base = optional.image_base();
        let exports = exports
            .iter()
            .map(|export| {
                (
                    String::from_utf8_lossy(export.name()).into_owned(),
                    region.start() + (export.address() - base) as usize,
                )
            })
            .collect();
        let symbols = Symbols::read(&path.with_extension("map"), base).unwrap_or_default();
        let entry = region.start() + optional.address_of_entry_point() as usize;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Arc::new(Self { name, region, code, entry, exports, preferred_base: base, symbols }))
    }

    /// The modules that a file imports from, each once for each routine.
    ///
    /// # Errors
    /// If it is no image.
    pub fn modules(path: &Path) -> Result<Vec<String>> {
        let data = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let file = PeFile64::parse(&*data).with_context(|| format!("{} is no PE image", path.display()))?;
        Ok(imports(&file)?.into_iter().map(|(module, ..)| module).collect())
    }

    /// Address of the entry point.
    pub const fn entry(&self) -> usize {
        self.entry
    }

    /// The address that the linker laid it out for.
    pub const fn preferred_base(&self) -> u64 {
        self.preferred_base
    }

    /// First address.
    pub fn base(&self) -> usize {
        self.region.start()
    }

    /// Size in memory.
    pub const fn size(&self) -> usize {
        self.region.size()
    }

    /// Address of an exported routine.
    pub fn export(&self, name: &str) -> Option<usize> {
        self.exports.iter().find(|(own, _)| own == name).map(|&(_, address)| address)
    }

    /// Whether an address is in its code.
    pub const fn has_code(&self, address: usize) -> bool {
        self.code.0 <= address && address < self.code.1
    }

    /// `name!symbol+offset` of an address in it.
    pub fn describe(&self, address: usize) -> String {
        let rva = address.wrapping_sub(self.base());
        match self.symbols.at(rva) {
            Some((symbol, 0)) => format!("{}!{symbol}", self.name),
            Some((symbol, offset)) => format!("{}!{symbol}+{offset:#x}", self.name),
            None => format!("{}+{rva:#x}", self.name),
        }
    }

    /// Makes all of it inaccessible: it has been unloaded.
    ///
    /// # Errors
    /// If the host refuses.
    pub fn forbid(&self) -> Result<()> {
        self.region.forbid()
    }

    /// Replaces bytes of code, at most one instruction, and gives the old ones.
    ///
    /// # Errors
    /// If the page's protection cannot be changed.
    pub fn patch<const N: usize>(&self, address: usize, bytes: [u8; N]) -> Result<[u8; N]> {
        self.region.patch(address - self.region.start(), bytes)
    }
}

/// Module, name and offset of the slot of every import.
fn imports(file: &PeFile64<'_>) -> Result<Vec<(String, String, usize)>> {
    let mut imports = Vec::new();
    let Some(table) = file.import_table()? else { return Ok(imports) };
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let module = String::from_utf8_lossy(table.name(descriptor.name.get(LE))?).into_owned();
        let mut slot = descriptor.first_thunk.get(LE) as usize;
        let names = match descriptor.original_first_thunk.get(LE) {
            0 => descriptor.first_thunk.get(LE),
            names => names,
        };
        let mut thunks = table.thunks(names)?;
        while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>()? {
            ensure!(!thunk.is_ordinal(), "{module}: imports by ordinal are not supported");
            let (_, name) = table.hint_name(thunk.address())?;
            imports.push((module.clone(), String::from_utf8_lossy(name).into_owned(), slot));
            slot += size_of::<u64>();
        }
    }
    Ok(imports)
}

fn relocate(file: &PeFile64<'_>, region: &mut Region) -> Result<()> {
    let delta = (region.start() as u64).wrapping_sub(file.nt_headers().optional_header().image_base());
    let data = file.data();
    let Some(mut blocks) = file.data_directories().relocation_blocks(data, &file.section_table())? else {
        return Ok(());
    };
    while let Some(block) = blocks.next()? {
        for relocation in block {
            match relocation.typ {
                pe::IMAGE_REL_BASED_ABSOLUTE => {}
                pe::IMAGE_REL_BASED_DIR64 => {
                    let at = relocation.virtual_address as usize;
                    let value = region.read_u64(at).wrapping_add(delta);
                    region.write(at, &value.to_le_bytes());
                }
                other => bail!("relocation type {other} is not supported"),
            }
        }
    }
    Ok(())
}
