// The tables of an image, and its records in order of time (crates/reader/src/image.rs, saved.rs, merge.rs).

/** What a log cannot be read for: the sentence is the user's. */
class LogError extends Error {}

function checkVersion(major, minor) {
    const { major: known, minor: newest } = WIRE.version;
    if (major > known || major === known && minor > newest) {
        throw new LogError(`the image has format ${major}.${minor} and this reader knows up to ${known}.${newest}: `
            + "upgrade irqlog.exe");
    }
    if (major < known) {
        throw new LogError(`the image has format ${major}.${minor} and this reader reads ${known}.x: `
            + "upgrade the driver that writes it");
    }
}

const NOT_AN_IMAGE = "this is no irqlog image: it does not start with its mark";

function cutOff(what, offset, size, length) {
    return new LogError(`the image is cut off or damaged: its ${what} at ${offset} need ${size} bytes of ${length}`);
}

/** Header and control tables of the image that a source holds. */
function readTables(source) {
    const layout = WIRE.structures.ImageHeader;
    const start = source.read(0, layout.size);
    if (!startsWith(start, WIRE.magic.image)) throw new LogError(NOT_AN_IMAGE);
    if (start.length < layout.size) throw cutOff("header", 0, layout.size, source.length);
    const header = structure(layout, start, 0);
    checkVersion(header.major, header.minor);
    const table = (what, type, offset, size, count) => {
        const whole = size * count;
        if (size < type.size || offset + whole > source.length) throw cutOff(what, offset, whole, source.length);
        const bytes = source.read(offset, whole);
        return Array.from({ length: count }, (_, index) => structure(type, bytes, index * size));
    };
    const { processors_offset, processor_size, processor_count, lanes_offset, lane_size, lane_count } = header;
    const { ProcessorControl, LaneControl, LaneControlBefore4 } = WIRE.structures;
    const processors = table("processors", ProcessorControl, processors_offset, processor_size, processor_count);
    // The size of an entry tells its layout.
    const ofLanes = lane_size < LaneControl.size ? LaneControlBefore4 : LaneControl;
    const lanes = table("lanes", ofLanes, lanes_offset, lane_size, lane_count);
    const hasSites = !header.sites_offset.isZero;
    const sites = hasSites
        ? source.read(header.sites_offset.toNumber(), header.sites_size.toNumber())
        : new Uint8Array(0);
    // One place for the nesting count, wherever the recorder counts.
    for (const lane of lanes) {
        const control = processors[lane.processor];
        const isOfProcessor = lane.kind === WIRE.enums.LaneKind.values.Processor && lane.nesting !== undefined;
        if (isOfProcessor && control !== undefined && !lane.nesting.isZero) control.nesting = lane.nesting;
    }
    return { header, processors, lanes, sites: new SiteTable(sites) };
}

/** The record at the start of some bytes: header, payload, size; null if there is none. */
function parseRecord(bytes) {
    const layout = WIRE.structures.RecordHeader;
    if (bytes.length < layout.size) return null;
    const header = structure(layout, bytes, 0);
    const isSane = header.size % 8 === 0 && header.size <= WIRE.limits.maxRecord && header.size <= bytes.length
        && layout.size + header.payload_size <= header.size;
    return isSane ? { header, payload: slice(bytes, layout.size, header.payload_size), size: header.size } : null;
}

/** What is wrong with a lane, in words. */
function damage(lane, offset, size) {
    return `byte ${offset} of lane ${lane}: no record (size ${size}); the rest of that lane cannot be read`;
}

/** The records of a ring, as they lie in an image. */
class RingRecords {
    constructor(source, lane, index) {
        this.source = source;
        this.index = index;
        this.words = lane.data_words.toNumber();
        this.used = lane.head.sub(lane.tail);
        this.dataOffset = lane.data_offset.toNumber();
        this.claims = lane.data_words.timesEight();
        this.isSane = lane.data_words.isPowerOfTwo && !this.claims.equals(U64_MAX)
            && this.used.compare(lane.data_words) <= 0;
        this.first = this.isSane ? lane.tail.modulo(this.words) : 0;
        /** Words that are in the window, or were. */
        this.fetched = 0;
        this.window = new Uint8Array(0);
        this.at = 0;
        /** The bytes end before the ring does. */
        this.isCut = false;
    }

    /** Sees to it that a whole record is in the window, if there is one more. */
    fill() {
        const MOST_WORDS = 8 * WIRE.limits.maxRecord;
        const most = this.used.toNumber();
        const parts = [slice(this.window, this.at, this.window.length)];
        let there = parts[0].length;
        if (there >= WIRE.limits.maxRecord) return;
        while (this.fetched < most && there < WIRE.limits.maxRecord && !this.isCut) {
            const index = (this.first + this.fetched) % this.words;
            const words = Math.min(most - this.fetched, this.words - index, MOST_WORDS);
            const bytes = this.source.read(this.dataOffset + index * 8, words * 8);
            const whole = Math.floor(bytes.length / 8);
            parts.push(slice(bytes, 0, whole * 8));
            there += whole * 8;
            this.fetched += whole;
            this.isCut = whole < words;
        }
        this.window = concatenate(parts);
        this.at = 0;
    }

    /** The next record; null at the end. Damage is thrown as a text. */
    next() {
        this.fill();
        const rest = slice(this.window, this.at, this.window.length);
        if (rest.length === 0 && !this.isCut) return null;
        const record = parseRecord(rest);
        if (record === null) {
            const offset = ((this.first + this.fetched) * 8 - rest.length) % (this.words * 8);
            throw damage(this.index, offset, rest.length < 8 ? 0 : u16At(rest, 0));
        }
        this.at += record.size;
        return record;
    }
}

/** Records that were taken out of where they lay. */
class ListedRecords {
    constructor(records) {
        this.records = records;
        this.at = 0;
        this.isCut = false;
    }

    next() {
        return this.at < this.records.length ? this.records[this.at++] : null;
    }
}

/** A lane, record after record, with what is missing between them. */
class LaneReader {
    constructor(records, lane, index) {
        this.records = records;
        this.index = index;
        this.firstSeq = lane.first_seq;
        /** Sequence numbers count from the first one on. */
        this.end = lane.next_seq.sub(this.firstSeq);
        const cleared = lane.floor.sub(this.firstSeq);
        // A floor below the first record is that of a lane that was never cleared.
        this.cleared = cleared.compare(this.end) > 0 ? U64_ZERO : cleared;
        this.expected = this.cleared;
        this.lastTick = null;
        /** Why the records behind the last one that is there are missing. */
        this.endedBy = "not-saved";
    }

    /** The next record that was not cleared, and the loss before it; null at the end. */
    next() {
        for (;;) {
            const record = this.records.next();
            if (record === null) return null;
            const seq = record.header.seq.sub(this.firstSeq);
            const ahead = seq.sub(this.expected);
            if (seq.compare(this.cleared) < 0) continue;
            // Before the oldest record a ring has overwritten them.
            const cause = this.lastTick === null ? "overwritten" : "not-saved";
            const loss = ahead.isZero || ahead.isNegative ? null : this.loss(ahead, record.header.tick, cause);
            if (!ahead.isNegative) {
                this.expected = seq.plus(1);
            }
            this.lastTick = record.header.tick;
            return { record, loss };
        }
    }

    /** What was written behind the last record that is there; null if nothing. */
    tail() {
        const count = this.end.sub(this.expected);
        return count.isZero || count.isNegative ? null : this.loss(count, null, this.endedBy);
    }

    loss(count, toTick, cause) {
        const firstSeq = this.firstSeq.add(this.expected);
        return { lane: this.index, firstSeq, count, fromTick: this.lastTick, toTick, cause };
    }
}

/** Compares the next records of two lanes: by tick, processor and lane. */
function compareHeads(one, other) {
    const [first, second] = [one.record.header, other.record.header];
    return first.tick.compare(second.tick) || first.processor - second.processor || one.lane - other.lane;
}

/**
 * A log: its tables, and its items in order of time. An item is a record (`record`, `lane`, `late`) or a loss (`loss`).
 * `faults` has what cannot be read, in words; it is complete behind the last item.
 */
class Log {
    constructor(tables, recordsOfLane, isCutOff, faults) {
        this.tables = tables;
        this.faults = faults;
        this.isCutOff = isCutOff;
        this.readers = tables.lanes.map((lane, index) => {
            const records = lane.data_words.isZero ? null : recordsOfLane(lane, index);
            return records === null ? null : new LaneReader(records, lane, index);
        });
        this.cached = null;
    }

    /** The log in the image that a source holds. */
    static open(source) {
        const tables = readTables(source);
        const { header, sites } = tables;
        const [total, length] = [header.total_size, source.length];
        const isCutOff = U64.of(length).compare(total) < 0;
        const size = header.sites_size;
        const hasAllSites = header.sites_offset.isZero || U64.of(sites.known).compare(size) >= 0;
        const faults = [];
        if (isCutOff) {
            faults.push(`the file is cut off: ${length} of ${total} bytes are there, and what lay behind them cannot be read`
                + (hasAllSites ? "" : ". Events whose sites lay there are shown as (unknown site), with their arguments"));
        } else if (!hasAllSites) {
            faults.push(sitesFault(sites.known, size));
        }
        const rings = tables.lanes.map((lane, index) => lane.data_words.isZero ? null : new RingRecords(source, lane, index));
        leaveOut(tables.lanes, rings, faults);
        return new Log(tables, (_, index) => rings[index], isCutOff, faults);
    }

    /** The log of records that were taken out of where they lay: a list for each lane. */
    static ofRecords(tables, lists) {
        tables.lanes.forEach((lane, index) => {
            const used = (lists[index] || []).reduce((sum, record) => sum + sizeOf(record), 0);
            const isPresent = !lane.data_words.isZero || used !== 0;
            // The room that irqlog.exe gives the lane in the image that it makes.
            lane.data_words = U64.of(isPresent ? powerAbove(Math.max(8, used)) / 8 : 0);
        });
        const { known, size } = tables.sites;
        const faults = known < size ? [sitesFault(known, size)] : [];
        return new Log(tables, (_, index) => new ListedRecords(lists[index] || []), false, faults);
    }

    /** All items, read once. */
    items() {
        if (this.cached === null) {
            this.cached = Array.from(this.read());
        }
        return this.cached;
    }

    *read() {
        const heads = [];
        for (const reader of this.readers) {
            this.offer(heads, reader);
        }
        let newest = null;
        while (heads.length > 0) {
            const { record, loss, lane } = heads.shift();
            const tick = record.header.tick;
            if (loss !== null) yield { loss };
            yield { record, lane, late: newest !== null && tick.compare(newest) < 0 };
            newest = newest === null || tick.compare(newest) > 0 ? tick : newest;
            this.offer(heads, this.readers[lane]);
        }
        for (const reader of this.readers) {
            const loss = reader === null ? null : reader.tail();
            if (loss !== null) yield { loss };
        }
    }

    /** Puts a lane's next record, if it has one, in its place among those of the other lanes. */
    offer(heads, reader) {
        if (reader === null) return;
        let next;
        try {
            next = reader.next();
        } catch (fault) {
            if (typeof fault !== "string") throw fault;
            // That the file is cut off is said already, and the losses say what is missing.
            const isOfCut = reader.records.isCut && this.isCutOff;
            reader.endedBy = isOfCut ? "cut-off" : "damaged";
            if (!isOfCut) this.faults.push(fault);
            return;
        }
        if (next === null) return;
        const head = Object.assign(next, { lane: reader.index });
        let [low, high] = [0, heads.length];
        while (low < high) {
            const middle = low + high >> 1;
            if (compareHeads(heads[middle], head) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        heads.splice(low, 0, head);
    }

    /** Seconds from the start of the driver to a tick; negative for a tick before it. */
    seconds(tick) {
        const { tick_base: base, tick_frequency: frequency } = this.tables.header;
        return tick.sub(base).toSigned() / Math.max(1, frequency.toNumber());
    }

    isNmi(lane) {
        const control = this.tables.lanes[lane];
        return control !== undefined && control.kind === WIRE.enums.LaneKind.values.Nmi;
    }
}

function sitesFault(known, size) {
    return `the site table is damaged: ${known} of its ${size} bytes can be read. Events of the sites behind them are shown `
        + "as (unknown site), with their arguments";
}

/** Bytes of a record in an image that irqlog.exe makes. */
function sizeOf(record) {
    return Math.ceil((WIRE.structures.RecordHeader.size + record.payload.length) / 8) * 8;
}

function powerAbove(number) {
    let power = 1;
    while (power < number) {
        power *= 2;
    }
    return power;
}

/** Leaves out lanes whose geometry makes no sense, or that claim what another one has: each byte is read once. */
function leaveOut(lanes, rings, faults) {
    rings.forEach((ring, index) => {
        if (ring !== null && !ring.isSane) {
            faults.push(damage(index, 0, ring.claims));
            rings[index] = null;
        }
    });
    const order = rings.map((_, index) => index).filter(index => rings[index] !== null);
    const key = index => [lanes[index].data_offset, lanes[index].data_words];
    order.sort((one, other) => {
        const [first, second] = [key(one), key(other)];
        return first[0].compare(second[0]) || first[1].compare(second[1]) || one - other;
    });
    let [end, before] = [U64_ZERO, 0];
    for (const index of order) {
        const offset = lanes[index].data_offset;
        if (offset.compare(end) < 0) {
            faults.push(`lane ${index} is left out: the file says that it lies where lane ${before} lies, so one of the two `
                + "is damaged. The other lanes are shown");
            rings[index] = null;
            continue;
        }
        const behind = offset.add(lanes[index].data_words.timesEight());
        [end, before] = [behind.compare(offset) < 0 ? U64_MAX : behind, index];
    }
}
