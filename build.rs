//! Passes the WDK's linker settings on; on Linux `cargo xtask build` points `WDKContentRoot` at our own kit.

fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_binary_build()
}
