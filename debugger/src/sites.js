// The site table: which provider a site id belongs to, and what its call says (crates/reader/src/sites.rs).

const LEVELS = WIRE.enums.Level.names;

function withoutZeros(bytes) {
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) {
        end--;
    }
    return slice(bytes, 0, end);
}

/** The site at the start of some bytes, or null. */
function parseSite(bytes) {
    const layout = WIRE.structures.SiteHeader;
    if (bytes.length < layout.size) return null;
    const header = structure(layout, bytes, 0);
    const isSane = header.magic === WIRE.limits.siteMagic && header.size % 8 === 0
        && header.size >= layout.size && header.size <= bytes.length
        && header.level in LEVELS && header.arguments <= WIRE.limits.maxArguments;
    if (!isSane) return null;
    const site = { line: header.line, role: header.role, level: header.level, size: header.size };
    let at = layout.size;
    for (const part of ["format", "names", "module", "file"]) {
        if (at + header[part] > header.size) return null;
        site[part] = withoutZeros(slice(bytes, at, header[part]));
        at += header[part];
    }
    return site;
}

/** The sites of a section, each with its offset; ends at what is none. */
function* sitesOf(section) {
    let at = 0;
    while (at < section.length) {
        if (at + 8 <= section.length && u64At(section, at).isZero) {
            at += 8;
            continue;
        }
        const site = parseSite(slice(section, at, section.length));
        if (site === null) return;
        yield { offset: at, site };
        at += site.size;
    }
}

/** The provider whose entry is at the start of some bytes, at an offset in its table; null if there is none. */
function parseProvider(bytes, entry) {
    const layout = WIRE.structures.ProviderHeader;
    if (bytes.length < layout.size) return null;
    const header = structure(layout, bytes, 0);
    const { size, sites_offset: first, sites_size: length, name_size: nameSize } = header;
    const isSane = header.magic === WIRE.limits.providerMagic && size >= layout.size && size % 8 === 0 && first % 8 === 0
        && first + length <= size && first >= layout.size && nameSize <= first - layout.size;
    // A longer name than is allowed would come back with each of its events.
    const shownSize = Math.min(nameSize, WIRE.limits.maxProviderName);
    if (!isSane || layout.size + shownSize > bytes.length) return null;
    return {
        size,
        name: decodeUtf8(slice(bytes, layout.size, shownSize)),
        firstSite: header.first_site.isZero ? U64.of((entry + first) / 8) : header.first_site,
        level: header.level.low & 0xff,
        sites: header.site_count,
        registered: header.registered,
        registrations: header.registrations,
        vanished: header.vanished,
        section: slice(bytes, first, length),
    };
}

/** A site table, understood as far as it can be. */
class SiteTable {
    constructor(bytes) {
        this.size = bytes.length;
        /** Bytes up to the end of the last whole entry. */
        this.known = 0;
        this.providers = [];
        /** Id of the first site that is equal, for each site that repeats one of its provider. */
        this.repeated = new Map();
        let at = 0;
        for (;;) {
            const provider = parseProvider(slice(bytes, at, bytes.length), at);
            if (provider === null) break;
            at += provider.size;
            this.known = at <= bytes.length ? at : this.known;
            // Without a name it is room that nobody has taken.
            if (provider.name !== "") this.providers.push(provider);
        }
        this.byId = this.providers.slice().sort((one, other) => one.firstSite.compare(other.firstSite));
        this.providers.forEach(provider => this.joinEqual(provider));
    }

    joinEqual(provider) {
        const firsts = new Map();
        for (const { offset, site } of sitesOf(provider.section)) {
            const id = this.idOf(provider, offset);
            const key = latin1(slice(provider.section, offset, site.size));
            if (firsts.has(key)) {
                this.repeated.set(id, firsts.get(key));
                provider.sites = Math.max(0, provider.sites - 1);
            } else {
                firsts.set(key, id);
            }
        }
    }

    idOf(provider, offset) {
        return provider.firstSite.plus(offset / 8).low;
    }

    /** The id of the first site of the same provider that is equal to the site of this id. */
    firstEqual(id) {
        return this.repeated.has(id) ? this.repeated.get(id) : id;
    }

    /** A site by its id, with its provider; or null. */
    find(id) {
        let found = null;
        for (const provider of this.byId) {
            if (provider.firstSite.compare(U64.of(id)) > 0) break;
            found = provider;
        }
        if (found === null) return null;
        const offset = U64.of(id).sub(found.firstSite).toNumber() * 8;
        const site = offset > found.section.length
            ? null
            : parseSite(slice(found.section, offset, found.section.length));
        return site === null ? null : { provider: found, site };
    }

    /** The sites of a provider, each with its id, and without those that repeat one. */
    sitesOf(provider) {
        const all = Array.from(sitesOf(provider.section));
        const withIds = all.map(({ offset, site }) => ({ id: this.idOf(provider, offset), site }));
        return withIds.filter(({ id }) => !this.repeated.has(id));
    }
}
