//! Passes the WDK's linker settings on.

fn main() -> Result<(), wdk_build::ConfigError> {
    println!("cargo::rustc-cdylib-link-arg=/RELEASE");
    wdk_build::configure_wdk_binary_build()?;
    // As in irqlog.sys: the linker's own default is older than what the WDK's projects ask for.
    println!("cargo::rustc-cdylib-link-arg=/SUBSYSTEM:NATIVE,10.00");
    Ok(())
}
