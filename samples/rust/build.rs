//! Passes the WDK's linker settings on.

fn main() -> Result<(), wdk_build::ConfigError> {
    println!("cargo::rustc-cdylib-link-arg=/RELEASE");
    wdk_build::configure_wdk_binary_build()
}
