//! Who keeps irqlog.sys from stopping: the drivers that are connected.
//!
//! A driver that is connected holds a reference to irqlog's file object, and Windows unloads a driver when the last one is
//! given back. A stop that is asked for before that is pending until then, and nobody can open irqlog any more.

use irqlog_reader::image::Tables;

/// A refusal to stop that names the connected drivers, and says what to do; `None` if there are none.
#[must_use]
pub fn refusal(tables: &Tables) -> Option<String> {
    let providers = tables.sites.providers();
    let name = |name: &irqlog_reader::untrusted::Untrusted<String>| name.to_string();
    let connected: Vec<_> =
        providers.iter().filter(|provider| provider.registered != 0).map(|provider| name(&provider.name)).collect();
    let vanished: Vec<_> =
        providers.iter().filter(|provider| provider.vanished != 0).map(|provider| name(&provider.name)).collect();
    let of_connected = (!connected.is_empty()).then(|| {
        format!(
            "these drivers are connected to irqlog, and it stops only when they have disconnected: {}. Stop them first, \
             or let them disconnect; one that is not loaded any more has unloaded without disconnecting, and then irqlog \
             stops only with Windows",
            connected.join(", ")
        )
    });
    let of_vanished = (!vanished.is_empty()).then(|| {
        format!(
            "these drivers have unloaded without disconnecting, so irqlog stops only with Windows: {}",
            vanished.join(", ")
        )
    });
    let texts: Vec<_> = of_connected.into_iter().chain(of_vanished).collect();
    (!texts.is_empty()).then(|| texts.join(". And "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use irqlog_reader::sites::SiteTable;
    use irqlog_wire::site::{PROVIDER_MAGIC, ProviderHeader};
    use zerocopy::{FromZeros, IntoBytes};

    use super::*;

    /// The tables of a stored image with these providers: name, drivers that are registered, those that have vanished.
    fn tables(providers: &[(&str, u64, u64)]) -> Tables {
        let image = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/images/format-1.1.irqlog"));
        let mut tables = Tables::parse(&image.expect("a stored image")).expect("an image");
        let mut table = Vec::new();
        for (name, registered, vanished) in providers {
            let mut header = ProviderHeader::new_zeroed();
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let size = (size_of::<ProviderHeader>() + bytes.len()) as u32;
            header.magic.set(PROVIDER_MAGIC);
            header.size.set(size);
            header.name_size.set(name.len() as u32);
            header.sites_offset.set(size);
            header.registered.set(*registered);
            header.vanished.set(*vanished);
            table.extend([header.as_bytes(), &bytes].concat());
        }
        tables.sites = Arc::new(SiteTable::parse(table));
        tables
    }

    #[test]
    fn who_holds_irqlog_is_named_and_who_does_not_is_not() {
        assert_eq!(refusal(&tables(&[])), None);
        assert_eq!(refusal(&tables(&[("gone", 0, 0)])), None);
        let said =
            refusal(&tables(&[("gone", 0, 0), ("usb\u{7}port", 1, 0), ("hid", 2, 0)])).expect("two are connected");
        assert!(said.contains(": usb") && said.contains(", hid. Stop them first"), "{said}");
        assert!(!said.contains("gone") && !said.contains('\u{7}'), "{said}");
        let said = refusal(&tables(&[("careless", 0, 1)])).expect("it holds irqlog for ever");
        assert_eq!(
            said,
            "these drivers have unloaded without disconnecting, so irqlog stops only with Windows: careless"
        );
        let said = refusal(&tables(&[("careless", 1, 1), ("a", 1, 0)])).expect("both");
        assert!(said.contains("careless, a. Stop") && said.ends_with("only with Windows: careless"), "{said}");
    }
}
