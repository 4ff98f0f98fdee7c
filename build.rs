//! Passes the WDK's linker settings on; on Linux `cargo xtask build` points `WDKContentRoot` at our own kit.

fn main() -> Result<(), wdk_build::ConfigError> {
    // The checksum in the PE header: Windows refuses a boot driver without it, and verify-sys any driver.
    println!("cargo::rustc-cdylib-link-arg=/RELEASE");
    wdk_build::configure_wdk_binary_build()
}
