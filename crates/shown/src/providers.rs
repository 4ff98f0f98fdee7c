//! A provider, and a site, as they are shown.

use std::{
    borrow::Cow,
    io::{Result, Write},
};

use irqlog_reader::{event::mismatch, sites::Provider, untrusted::Untrusted};
use irqlog_wire::{
    record::Level,
    site::{Site, SiteRole},
};
use serde::Serialize;

use crate::{Named, Show};

/// Heading of the text of the providers.
pub const HEADING: &str = "provider              level  drivers  loads  sites  records";

/// A provider.
#[derive(Clone, Debug, Serialize)]
pub struct ShownProvider<'a> {
    /// Name under which it registered.
    pub provider: Untrusted<&'a str>,
    /// The least important level that its events are written at.
    pub level: Named,
    /// Drivers that are registered with its sites now.
    pub drivers: u64,
    /// Registrations so far.
    pub loads: u64,
    /// Registrations whose driver unloaded without disconnecting.
    pub vanished: u64,
    /// Number of its sites.
    pub sites: u32,
    /// Number of its events in the log.
    pub records: u64,
}

impl<'a> ShownProvider<'a> {
    /// A provider with that number of events in the log.
    #[must_use]
    pub fn new(provider: &'a Provider, records: u64) -> Self {
        let Provider { name, level, registered, registrations, vanished, sites, .. } = provider;
        Self {
            provider: name.borrowed(),
            level: Named::new(level.0, level.name()),
            drivers: *registered,
            loads: *registrations,
            vanished: *vanished,
            sites: *sites,
            records,
        }
    }
}

impl Show for ShownProvider<'_> {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let Self { provider, level, drivers, loads, vanished, sites, records } = self;
        write!(out, "{provider:20}  {level:5}  {drivers:7}  {loads:5}  {sites:5}  {records:7}")?;
        // It leaves a reference to irqlog.sys behind, which nobody can give back.
        match vanished {
            0 => writeln!(out),
            _ => writeln!(out, "  unloaded {vanished} times without disconnecting; irqlog.sys cannot stop any more"),
        }
    }
}

/// A site of a provider.
#[derive(Clone, Debug, Serialize)]
pub struct ShownSite<'a> {
    /// Id of the site: events carry it.
    pub site: u32,
    /// Name of the provider.
    pub provider: Untrusted<&'a str>,
    /// Level of its events.
    pub level: Named,
    /// Path of the module.
    pub module: Untrusted<Cow<'a, str>>,
    /// Path of the source file.
    pub file: Untrusted<Cow<'a, str>>,
    /// Line in the source file.
    pub line: u32,
    /// Format of its events.
    pub format: Untrusted<Cow<'a, str>>,
    /// Number of its events in the log.
    pub records: u64,
    /// How the format and the arguments of its calls disagree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<String>,
}

impl<'a> ShownSite<'a> {
    /// The site with that id, of a provider, with that number of events in the log.
    #[must_use]
    pub fn new(provider: &'a Provider, id: u32, site: &Site<'a>, records: u64) -> Self {
        let names = String::from_utf8_lossy(site.names);
        let has_pair_id = SiteRole(site.header.role.get()) == SiteRole::Begin;
        let count = usize::from(site.header.arguments).saturating_sub(usize::from(has_pair_id));
        let mismatch = mismatch(&String::from_utf8_lossy(site.format), &names, count);
        let [format, module, file] = [site.format, site.module, site.file].map(Untrusted::lossy);
        Self {
            site: id,
            provider: provider.name.borrowed(),
            level: Named::new(site.header.level, Level(site.header.level).name()),
            module,
            file,
            line: site.header.line.get(),
            format,
            records,
            mismatch: mismatch.map(|mismatch| mismatch.to_string()),
        }
    }
}

impl Show for ShownSite<'_> {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let Self { file, line, level, records, format, mismatch, .. } = self;
        let mismatch = mismatch.as_ref().map(|mismatch| format!("  <- {mismatch}")).unwrap_or_default();
        writeln!(out, "  {file}:{line:<5} {level:5} {records:7}  {format:?}{mismatch}")
    }
}

/// Registrations that irqlog.sys refused.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ShownRefusals {
    /// Number of refused registrations.
    pub refused: u64,
}

impl Show for ShownRefusals {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        writeln!(out, "{} registrations were refused: the log says why", self.refused)
    }
}
