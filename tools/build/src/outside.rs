//! Builds a driver that is no part of this workspace: a crate on windows-drivers-rs, or a folder of C and C++ files.
//!
//! Such a driver is built with the kit, and with what a folder `kit` of its own adds to that ([`irqlog_kit::Additions`]).
//! Everything that is made lies in the driver's own `target`, because wdk-build looks for the driver's configuration from
//! there upwards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use irqlog_kit::{Additions, Arch};

use crate::{
    host,
    setup::{assemble, forget_cached_bindings},
    shell::{root, timed},
};

mod c;
mod cargo;
mod missing;

/// What the drivers of all languages need: the kit, and where to put what is made.
struct Outside {
    folder: PathBuf,
    target: PathBuf,
    wdk: PathBuf,
    tools: irqlog_kit::Tools,
    additions: Additions,
}

/// Builds the driver in a folder, and gives its images: `target/driver/ARCH/NAME.sys` below the folder, or below that of
/// its cargo workspace. `more` are further arguments for cargo, or for clang-cl.
///
/// # Errors
/// If the folder has no driver, or the build fails: then what the kit may lack is said.
pub fn build(folder: &Path, archs: &[Arch], more: &[String]) -> Result<Vec<PathBuf>> {
    let folder = folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))?;
    let crates = cargo::find(&folder)?;
    let target = crates.as_ref().map_or_else(|| folder.clone(), |crates| crates.workspace.clone()).join("target");
    let kit = folder.join("kit");
    let additions = Additions::find(&kit)?;
    // One kit for all drivers that add nothing to it.
    let (wdk, more_kit) = if additions.is_empty() {
        (root().join("target/kit/wdk"), None)
    } else {
        (target.join("irqlog-kit"), Some(kit.as_path()))
    };
    let tools = host::llvm()?;
    if assemble(&wdk, &tools, more_kit)? {
        // Of this driver; for those of the workspace a build of theirs looks again.
        forget_cached_bindings(&root().join("target"))?;
    }
    forget_bindings_of_another_kit(&target, &wdk)?;
    let outside = Outside { folder, target, wdk, tools, additions };
    let mut images = Vec::new();
    for &arch in archs {
        let name = outside.folder.display();
        timed(&format!("building {name} for {}", arch.name()), || {
            images.extend(match &crates {
                Some(crates) => outside.build_crates(crates, arch, more)?,
                None => vec![outside.build_c(arch, more)?],
            });
            Ok(())
        })?;
    }
    Ok(images)
}

/// wdk-macros keeps what it read out of the bindings: that goes when the kit is another one than at the last build.
fn forget_bindings_of_another_kit(target: &Path, wdk: &Path) -> Result<()> {
    let kit = crate::stamp::Stamp::new(target.join("irqlog-kit.seen")).files(&wdk.with_extension("stamp"))?;
    kit.unless_current(|| forget_cached_bindings(target))
}

impl Outside {
    /// The path of a built image.
    fn image(&self, arch: Arch, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("driver").join(arch.name());
        std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder.join(format!("{name}.sys")))
    }

    /// Runs a step of the build; if it fails, says what the kit may lack, after what the step itself said.
    fn run(&self, command: &mut std::process::Command) -> Result<()> {
        let said = match missing::run(command)? {
            missing::StepEnd::Done => return Ok(()),
            missing::StepEnd::Failed(said) => said,
        };
        let names = missing::names(&said);
        ensure!(!names.is_empty(), "the compiler or linker refused it, see above");
        bail!(
            "not found: {}.\n\
             If that is spelt as in the WDK, the kit lacks it: the kit declares what irqlog and its samples use. Add it to \
             the folder {}: C declarations to declarations.h, and each routine to the list of the module that exports it, \
             ntoskrnl.def. docs/your-driver.md, \"What the kit lacks\", shows both. On Windows the WDK has it, and nothing \
             looks at that folder.",
            names.into_iter().collect::<Vec<_>>().join(", "),
            self.folder.join("kit").display()
        )
    }
}
