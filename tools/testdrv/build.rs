//! Links a WDM image with DriverEntry as its entry point, in a workspace whose WDK configuration is KMDF's.

fn main() -> Result<(), wdk_build::ConfigError> {
    for argument in
        ["/DRIVER", "/NODEFAULTLIB", "/SUBSYSTEM:NATIVE", "/ENTRY:DriverEntry", "/RELEASE", "/MAP", "/OPT:REF,NOICF"]
    {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    // wdk-sys names the libraries, KMDF's too, of which nothing is used.
    for path in wdk_build::Config::from_env_auto()?.library_paths()? {
        println!("cargo::rustc-link-search={}", path.display());
    }
    Ok(())
}
