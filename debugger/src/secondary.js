// The log out of secondary data: blocks of a crash dump, joined (crates/reader/src/secondary.rs).

/** What a dump does not have of a log. */
const NOTHING_CUT = { recordsLeftOut: U64_ZERO, records: U64_ZERO, allowed: U64_ZERO, missing: 0 };

const isWhole = found => found.cut.recordsLeftOut.isZero && found.cut.missing === 0;

/** Every log in these blocks, in the order of first appearance. Throws if nothing of any can be read. */
function joinBlocks(blocks) {
    const found = [];
    const streams = new Map();
    let refused = null;
    const refuse = error => { refused = refused === null ? error : refused; };
    for (const block of blocks) {
        if (startsWith(block, WIRE.magic.image)) {
            if (block.length < WIRE.structures.ImageHeader.size) {
                refuse(new LogError(NOT_AN_IMAGE));
                continue;
            }
            tryTo(() => found.push({ log: Log.open(new Buffered(block)), cut: NOTHING_CUT }), refuse);
            continue;
        }
        tryTo(() => takeParts(block, streams), refuse);
    }
    for (const parts of streams.values()) {
        tryTo(() => found.push(joinParts(parts)), refuse);
    }
    if (found.length === 0) throw refused === null ? new LogError(NOT_AN_IMAGE) : refused;
    return found;
}

function tryTo(work, refuse) {
    try {
        work();
    } catch (error) {
        if (!(error instanceof LogError)) throw error;
        refuse(error);
    }
}

/** Puts the parts of a block into the streams that they belong to. */
function takeParts(block, streams) {
    const layout = WIRE.structures.PartHeader;
    let rest = block;
    while (startsWith(rest, WIRE.magic.part) && rest.length >= layout.size) {
        const header = structure(layout, rest, 0);
        checkVersion(header.major, header.minor);
        if (header.header_size < layout.size || header.header_size > rest.length) return;
        const bytes = slice(rest, header.header_size, header.length);
        const key = [header.start_id, header.form, header.total].join(" ");
        const parts = streams.has(key) ? streams.get(key) : new Map();
        streams.set(key, parts);
        // The longer one of two that claim the same place.
        const place = header.offset.toString();
        if (!parts.has(place) || parts.get(place).bytes.length < bytes.length) parts.set(place, { header, bytes });
        rest = slice(rest, header.header_size + bytes.length, rest.length);
        // Windows may fill up a block before it puts the next part behind it.
        const next = rest.findIndex(byte => byte !== 0);
        rest = next === -1 ? slice(rest, rest.length, 0) : slice(rest, next, rest.length);
    }
}

/** The log of a stream, as far as it goes without a gap. */
function joinParts(byPlace) {
    const parts = Array.from(byPlace.values());
    parts.sort((one, other) => one.header.offset.compare(other.header.offset));
    const first = parts[0].header;
    const joined = [];
    let length = 0;
    for (const { header, bytes } of parts) {
        const there = U64.of(length).sub(header.offset);
        if (there.isNegative) break;
        const fresh = slice(bytes, there.toNumber(), bytes.length);
        joined.push(fresh);
        length += fresh.length;
    }
    const total = first.total.toNumber();
    const stream = slice(concatenate(joined), 0, total);
    const cut = {
        recordsLeftOut: first.records_left_out,
        records: first.records,
        allowed: first.allowed,
        missing: first.total.sub(U64.of(stream.length)),
    };
    cut.missing = cut.missing.toNumber();
    const log = first.form === WIRE.enums.StreamForm.values.Whole ? Log.open(new Buffered(stream)) : logOfChunks(stream);
    return { log, cut };
}

/** The most lanes, and the most processors, that a cut stream may name. */
const MOST_INDEXES = 1 << 16;
/** The largest site table that a cut stream may have, in bytes. */
const MOST_SITES = 16 << 20;

/** The log out of the chunks of a cut stream. */
function logOfChunks(stream) {
    const layout = WIRE.structures.ChunkHeader;
    let chunks = null;
    let at = 0;
    while (at + layout.size <= stream.length) {
        const { kind, index, length } = structure(layout, stream, at);
        const data = slice(stream, at + layout.size, length.toNumber());
        at += layout.size + data.length;
        if (chunks !== null) {
            chunks.take(kind, index, data);
        } else if (kind === WIRE.enums.ChunkKind.values.Header) {
            chunks = new Chunks(data);
        } else {
            break;
        }
    }
    if (chunks === null) throw new LogError(NOT_AN_IMAGE);
    return chunks.log();
}

/** What the chunks of a cut stream say. */
class Chunks {
    constructor(data) {
        const layout = WIRE.structures.ImageHeader;
        if (data.length < layout.size || !startsWith(data, WIRE.magic.image)) throw new LogError(NOT_AN_IMAGE);
        this.header = structure(layout, data, 0);
        checkVersion(this.header.major, this.header.minor);
        this.processors = [];
        this.lanes = [];
        this.records = [];
        this.sites = new Uint8Array(0);
    }

    take(kind, index, data) {
        const KINDS = WIRE.enums.ChunkKind.values;
        if (kind === KINDS.Sites) {
            this.takeSites(index * 8, data);
        } else if (index >= MOST_INDEXES) {
            return;
        } else if (kind === KINDS.Processor) {
            this.takeProcessor(element(this.processors, index, WIRE.structures.ProcessorControl), data);
        } else if (kind === KINDS.Lane && data.length >= WIRE.structures.LaneSummary.size) {
            Object.assign(
                element(this.lanes, index, WIRE.structures.LaneControl),
                structure(WIRE.structures.LaneSummary, data, 0),
                // The lane is there; `Log.ofRecords` gives it its room.
                { data_words: U64.of(1) },
            );
        } else if (kind === KINDS.Records) {
            this.takeRecords(index, data);
        }
    }

    takeProcessor(control, data) {
        const word = at => (at + 1) * 8 <= data.length ? u64At(data, at * 8) : U64_ZERO;
        control.nesting = word(0);
        control.drops = control.drops.map((_, reason) => word(1 + reason));
    }

    takeRecords(index, data) {
        while (this.records.length <= index) {
            this.records.push([]);
        }
        let rest = data;
        for (let record = parseRecord(rest); record !== null; record = parseRecord(rest)) {
            this.records[index].push(record);
            rest = slice(rest, record.size, rest.length);
        }
    }

    takeSites(start, data) {
        const end = start + data.length;
        if (end > MOST_SITES) return;
        this.growSites(end);
        this.sites.set(data, start);
    }

    growSites(size) {
        if (this.sites.length < size) {
            const grown = new Uint8Array(size);
            grown.set(this.sites);
            this.sites = grown;
        }
    }

    log() {
        this.header.processor_count = this.processors.length;
        this.header.lane_count = this.lanes.length;
        // An entry of the site table says its size, and the sites that are not needed lie behind the last one that is.
        this.growSites(Math.min(entriesEnd(this.sites), MOST_SITES));
        const { header, processors, lanes } = this;
        return Log.ofRecords({ header, processors, lanes, sites: new SiteTable(this.sites) }, this.records);
    }
}

/** Where the last entry of a site table ends by its own word. */
function entriesEnd(sites) {
    let end = 0;
    while (end + 8 <= sites.length) {
        const size = u32At(sites, end + 4);
        if (size < 8) break;
        end += size;
    }
    return end;
}

/** The element at an index of a list, which grows with structures of zeros. */
function element(list, index, layout) {
    while (list.length <= index) {
        list.push(structure(layout, new Uint8Array(layout.size), 0));
    }
    return list[index];
}

/** The records of two logs of one start, each once, with the tables of the second. */
function unite(first, second) {
    const lanes = second.tables.lanes.map(() => new Map());
    for (const log of [first, second]) {
        for (const { record, lane } of log.items()) {
            if (record === undefined || lane >= lanes.length) continue;
            const seq = record.header.seq.toString();
            if (!lanes[lane].has(seq)) lanes[lane].set(seq, record);
        }
    }
    const lists = lanes.map(records => Array.from(records.values()));
    lists.forEach(list => list.sort((one, other) => one.header.seq.compare(other.header.seq)));
    return Log.ofRecords(second.tables, lists);
}
