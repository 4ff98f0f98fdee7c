//! A driver in Rust: a package, or a workspace of them, on windows-drivers-rs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use irqlog_kit::{Arch, KMDF_VERSION};
use serde_json::Value;

use super::Outside;
use crate::{
    host::{self, Toolchain},
    setup::{underscored, use_kit},
    shell::{output, root},
    vendor,
};

/// The drivers of a cargo package or workspace.
pub(super) struct Crates {
    /// The folder of its lock file.
    pub(super) workspace: PathBuf,
    /// Package and library of each driver.
    drivers: Vec<(String, String)>,
}

/// Finds the drivers of a folder; nothing if it has no Cargo.toml.
///
/// # Errors
/// If there is none in the package, or the kit has not what it asks for.
pub(super) fn find(folder: &Path) -> Result<Option<Crates>> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.exists() {
        return Ok(None);
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let metadata: Value = serde_json::from_str(&output(&mut cargo)?).context("what cargo metadata says")?;
    let workspace = PathBuf::from(metadata["workspace_root"].as_str().context("a package is in a workspace")?);
    ensure!(
        workspace != root(),
        "{} is a package of irqlog's own workspace: `cargo xtask build` builds those. If it shall be one of its own, write \
         [workspace] into its Cargo.toml",
        folder.display()
    );
    check_models(&metadata)?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let drivers =
        packages.iter().filter(|package| package["manifest_path"].as_str().is_some_and(|path| is_in(path, folder)));
    let drivers: Vec<_> = drivers.filter_map(|package| Some((text(&package["name"])?, library(package)?))).collect();
    ensure!(
        !drivers.is_empty(),
        "{} has no driver: a driver is a library with crate-type = [\"cdylib\"]",
        manifest.display()
    );
    Ok(Some(Crates { workspace, drivers }))
}

fn is_in(manifest: &str, folder: &Path) -> bool {
    Path::new(manifest).starts_with(folder)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The name of a package's dynamic library, as cargo calls the file.
fn library(package: &Value) -> Option<String> {
    let is_dynamic =
        |target: &&Value| target["crate_types"].as_array().is_some_and(|types| types.iter().any(|of| of == "cdylib"));
    let target = package["targets"].as_array()?.iter().find(is_dynamic)?;
    Some(text(&target["name"])?.replace('-', "_"))
}

/// Refuses what the kit has not: another framework, or another version of it.
fn check_models(metadata: &Value) -> Result<()> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut models = vec![&metadata["metadata"]["wdk"]["driver-model"]];
    models.extend(packages.iter().map(|package| &package["metadata"]["wdk"]["driver-model"]));
    models.retain(|model| model.is_object());
    ensure!(
        !models.is_empty(),
        "no Cargo.toml has [package.metadata.wdk.driver-model], from which windows-drivers-rs knows what kind of driver it is"
    );
    for model in models {
        let kind = model["driver-type"].as_str().unwrap_or_default();
        ensure!(
            matches!(kind, "KMDF" | "WDM"),
            "driver-type {kind:?}: the kit is for drivers of the kernel, KMDF or WDM"
        );
        let version = format!("{}.{}", model["kmdf-version-major"], model["target-kmdf-version-minor"]);
        ensure!(
            kind == "WDM" || version == KMDF_VERSION,
            "it asks for KMDF {version}, and the kit has {KMDF_VERSION}, which Windows 10 2004 and every later one has: write \
             target-kmdf-version-minor = 31, at least where it is built off Windows"
        );
    }
    Ok(())
}

impl Outside {
    /// Builds them for an architecture, and gives their images.
    pub(super) fn build_crates(&self, crates: &Crates, arch: Arch, more: &[String]) -> Result<Vec<PathBuf>> {
        let toolchain = Toolchain::find(&[arch.triple()])?;
        let library = match &toolchain {
            Toolchain::BuildStd { library, .. } => Some(library.as_path()),
            Toolchain::Installed => None,
        };
        let config = vendor::outside(&crates.workspace, &self.target, library)?;
        let mut cargo = toolchain.cargo("build", arch.triple(), "core,alloc");
        cargo.current_dir(&crates.workspace).arg("--release").arg("--config").arg(&config);
        cargo.arg("--target-dir").arg(&self.target);
        use_kit(&mut cargo, &self.wdk, &self.tools, arch);
        let target = format!("CARGO_TARGET_{}", underscored(arch).to_uppercase());
        cargo.env(format!("{target}_LINKER"), host::lld_link());
        // wdk-build refuses a kernel driver without it.
        cargo.env(format!("{target}_RUSTFLAGS"), "-Ctarget-feature=+crt-static");
        for (package, _) in &crates.drivers {
            cargo.args(["--package", package]);
        }
        self.run(cargo.args(more))?;
        crates.drivers.iter().map(|(_, library)| self.collect(library, arch)).collect()
    }

    /// Copies what cargo linked: the image, with its symbols beside it.
    fn collect(&self, library: &str, arch: Arch) -> Result<PathBuf> {
        let from = self.target.join(arch.triple()).join("release");
        let image = self.image(arch, library)?;
        let copy = |from: PathBuf, to: &Path| {
            fs::copy(&from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))
        };
        copy(from.join(format!("{library}.dll")), &image)?;
        copy(from.join(format!("{library}.pdb")), &image.with_extension("pdb"))?;
        copy(from.join("deps").join(format!("{library}.map")), &image.with_extension("map"))?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(model: &Value) -> Value {
        json!({ "packages": [{ "metadata": { "wdk": { "driver-model": model } } }], "metadata": null })
    }

    #[test]
    fn what_the_kit_has_not_is_refused() {
        let refused =
            |model: Value| check_models(&with(&model)).map_or_else(|error| error.to_string(), |()| "taken".to_owned());
        assert_eq!(refused(json!({ "driver-type": "WDM" })), "taken");
        let kmdf =
            |minor| json!({ "driver-type": "KMDF", "kmdf-version-major": 1, "target-kmdf-version-minor": minor });
        assert_eq!(refused(kmdf(31)), "taken");
        assert!(refused(kmdf(33)).contains("KMDF 1.33, and the kit has 1.31"));
        assert!(refused(json!({ "driver-type": "UMDF" })).contains("drivers of the kernel"));
        assert!(refused(Value::Null).contains("no Cargo.toml has"));
    }

    #[test]
    fn the_library_of_a_driver_is_its_dynamic_one() {
        let package = json!({ "targets": [
            { "name": "build-script-build", "crate_types": ["bin"] },
            { "name": "my-drv", "crate_types": ["rlib", "cdylib"] },
        ]});
        assert_eq!(library(&package).as_deref(), Some("my_drv"));
        assert_eq!(library(&json!({ "targets": [{ "name": "a", "crate_types": ["lib"] }] })), None);
    }
}
