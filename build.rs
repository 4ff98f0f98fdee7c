//! Passes the WDK's linker settings on; on Linux `cargo xtask build` points `WDKContentRoot` at our own kit.

fn main() -> Result<(), wdk_build::ConfigError> {
    // The checksum in the PE header: Windows refuses a boot driver without it, and verify-sys any driver.
    println!("cargo::rustc-cdylib-link-arg=/RELEASE");
    wdk_build::configure_wdk_binary_build()?;
    // The version of the subsystem, as the WDK's projects ask for it (Microsoft Learn, "/SUBSYSTEM": the linker's own
    // default is 6.00, but at least 6.02 on ARM). Behind what wdk-build passes, since the last one counts.
    println!("cargo::rustc-cdylib-link-arg=/SUBSYSTEM:NATIVE,10.00");
    Ok(())
}
