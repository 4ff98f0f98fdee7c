// What the debugger shows: objects for the data model. Names that begin with `__` are hidden by the debugger.

/** Lines that `!irqlog` shows. */
const LAST = 20;

/** A row of things that can be iterated, indexed and filtered; each is made when it is looked at. */
class Collection {
    constructor(items, make, noun) {
        this.__items = items;
        this.__make = make;
        this.__noun = noun;
    }

    get Count() {
        return this.__items.length;
    }

    getDimensionality() {
        return 1;
    }

    getValueAt(index) {
        const at = typeof index === "number" ? index : U64.ofHost(index).toNumber();
        if (at < 0 || at >= this.__items.length) {
            throw new RangeError(`there are ${this.__items.length} ${this.__noun}, from 0 on`);
        }
        return this.__make(this.__items[at], at);
    }

    *[Symbol.iterator]() {
        for (let at = 0; at < this.__items.length; at++) {
            yield new host.indexedValue(this.__make(this.__items[at], at), [at]);
        }
    }

    toString() {
        return `${this.__items.length} ${this.__noun}`;
    }
}

/** A text of the log, and an optional one. */
const shownBytes = bytes => shown(decodeUtf8(bytes));

/** A record. */
class RecordModel {
    constructor(log, item) {
        this.__log = log;
        this.__item = item;
        this.__header = item.record.header;
        this.__understood = null;
    }

    get __content() {
        if (this.__understood === null) this.__understood = understand(this.__log, this.__item);
        return this.__understood;
    }

    __has(flag) {
        return (this.__header.flags & flag) !== 0;
    }

    get Seconds() { return this.__log.seconds(this.__header.tick); }
    get Tick() { return this.__header.tick.toHost(); }
    get Lane() { return this.__item.lane; }
    get Seq() { return this.__header.seq.toHost(); }
    get Cpu() { return this.__header.processor; }
    get Irql() { return irqlName(this.__header.irql); }
    get IrqlNumber() { return this.__header.irql; }
    get IsNmi() { return this.__log.isNmi(this.__item.lane); }
    get Level() { return enumName("Level", this.__header.level); }
    get Kind() { return enumName("Kind", this.__header.kind); }
    get HasThread() { return !this.__has(FLAG.NO_THREAD); }
    get Thread() { return this.HasThread ? this.__header.thread : 0; }
    get Process() { return this.HasThread ? this.__header.process : 0; }
    get Provider() { return this.__content.kind === "event" && this.__content.provider !== null ? shown(this.__content.provider.name) : ""; }
    /** The text of an event or a text record; of another one what its line says. */
    get Text() { return this.__content.text === undefined ? body(this.__header, this.__content) : shown(this.__content.text); }
    get Message() { return message(this.__item, this.__content); }
    get Line() { return recordLine(this.__log, this.__item, this.__content); }
    get Site() { return new SiteModel(this.__content); }
    get Arguments() {
        const { args, names } = this.__content.kind === "event" ? this.__content : { args: [], names: [] };
        return new Collection(args, (argument, at) => new ArgumentModel(argument, names[at]), "arguments");
    }
    get Blob() { return this.__content.kind === "blob" ? new BlobModel(this.__content) : undefined; }
    get Bytes() { return this.__content.kind === "unknown" ? hex(this.__content.bytes, 2).join("") : undefined; }
    get IsCut() { return this.__has(FLAG.TRUNCATED); }
    get IsUser() { return this.__has(FLAG.USER); }
    get IsOwn() { return this.__has(FLAG.OWN); }
    get NeverWaits() { return this.__has(FLAG.NEVER_WAITS); }
    get PointersHashed() { return this.__has(FLAG.POINTERS_HASHED); }
    get PointersRaw() { return this.__has(FLAG.POINTERS_RAW); }
    get IsLate() { return this.__item.late; }
    get IsShortened() { return this.__content.isShortened === true; }

    toString() {
        return this.Line;
    }
}

/** The call that an event is of. */
class SiteModel {
    constructor(content) {
        this.__site = content.kind === "event" ? content.site : null;
        this.Id = content.kind === "event" ? content.id : 0;
    }

    get IsKnown() { return this.__site !== null; }
    /** What the event stands for besides its text: `begin`, `end`, `counter`; else `event`. */
    get Role() { return enumName("SiteRole", this.__site === null ? 0 : this.__site.role); }
    get Format() { return this.__site === null ? "" : shownBytes(this.__site.format); }
    get Module() { return this.__site === null ? "" : shownBytes(this.__site.module); }
    get File() { return this.__site === null ? "" : shownBytes(this.__site.file); }
    get Line() { return this.__site === null ? 0 : this.__site.line; }

    toString() {
        return this.__site === null ? "(unknown site)" : `${this.File}:${this.Line}`;
    }
}

/** An argument of an event. */
class ArgumentModel {
    constructor(argument, name) {
        this.__argument = argument;
        this.Name = name === undefined ? "" : shown(name);
        this.Type = enumName("ArgumentKind", argument.kind);
        /** Bytes that a string had beyond those that were kept. */
        this.Cut = argument.cut;
        /** The value is the hash of an address. */
        this.IsHashed = argument.isHashed;
    }

    /** The value as text: a number in digits, a text as it is, bytes in hexadecimal digits. */
    get Text() {
        const { kind, value } = this.__argument;
        if (kind === KIND.Bytes) return hex(value, 2).join("");
        return shown(renderArgument(this.__argument, PLAIN_SPEC, MAX_TEXT));
    }

    toString() {
        return this.Text;
    }
}

/** A piece of a blob. */
class BlobModel {
    constructor({ blob, bytes }) {
        this.Blob = blob.blob;
        this.Tag = blob.tag;
        this.Offset = blob.offset;
        this.Total = blob.total;
        this.__bytes = bytes;
    }

    get Bytes() { return hex(this.__bytes, 2).join(""); }

    toString() {
        return `blob ${this.Blob}, ${this.__bytes.length} bytes`;
    }
}

/** Records that are missing. */
class LossModel {
    constructor(log, loss) {
        this.__log = log;
        this.__loss = loss;
    }

    get Lane() { return this.__loss.lane; }
    get FirstSeq() { return this.__loss.firstSeq.toHost(); }
    get Count() { return this.__loss.count.toHost(); }
    get Cause() { return this.__loss.cause; }
    get Line() { return lossLine(this.__log, this.__loss); }

    toString() {
        return this.Line;
    }
}

/** Drops by reason: each reason that has a name, and every other one that was counted. */
function dropsModel(drops) {
    const model = { toString: () => `${drops.reduce((sum, count) => sum.add(count))} dropped` };
    drops.forEach((count, reason) => {
        const name = WIRE.enums.DropReason.names[reason];
        if (name === undefined && count.isZero) return;
        // A name of a data model's key is one of a C++ identifier.
        const key = name === undefined ? `Reason${reason}` : pascal(name);
        model[key] = count.toHost();
    });
    return model;
}

const pascal = name => name.replace(/(?:^|-)([a-z])/g, (_, letter) => letter.toUpperCase());

/** A processor. */
class ProcessorModel {
    constructor(log, index) {
        const { nesting, drops } = log.tables.processors[index];
        const { crashed, crash_processor } = log.tables.header;
        this.Index = index;
        this.Nesting = nesting.toHost();
        /** It was between raise and lower of a log call. */
        this.IsInLogCall = !nesting.isZero;
        this.IsCrashed = !crashed.isZero && crash_processor.equals(U64.of(index));
        this.Drops = dropsModel(drops);
    }

    toString() {
        const parts = [`processor ${this.Index}`];
        if (this.IsCrashed) parts.push("crashed");
        if (this.IsInLogCall) parts.push("stopped inside a log call");
        return parts.join(", ");
    }
}

/** A lane. */
class LaneModel {
    constructor(log, index) {
        const lane = log.tables.lanes[index];
        this.__written = lane.next_seq.sub(lane.first_seq);
        this.Index = index;
        this.Kind = enumName("LaneKind", lane.kind);
        this.Cpu = lane.processor;
        this.Bytes = lane.data_words.timesEight().toHost();
        this.Written = this.__written.toHost();
        this.Contended = lane.contended.toHost();
        this.LongestWaitTicks = lane.longest_wait.toHost();
        this.LongestHoldTicks = lane.longest_hold.toHost();
        this.HoldSamples = lane.hold_samples.toHost();
    }

    toString() {
        return `lane ${this.Index}, ${this.Kind}, cpu ${this.Cpu}, ${this.__written} written`;
    }
}

/** A driver that logs events. */
class ProviderModel {
    constructor(log, provider, counts) {
        const { sites } = log.tables;
        const all = sites.sitesOf(provider).map(({ id, site }) => ({ id, site, records: counts.get(id) || 0 }));
        this.Name = shown(provider.name);
        this.Level = enumName("Level", provider.level);
        this.Drivers = provider.registered.toHost();
        this.Loads = provider.registrations.toHost();
        /** Loads that ended without disconnecting. */
        this.Vanished = provider.vanished.toHost();
        this.Records = all.reduce((sum, { records }) => sum + records, 0);
        this.Sites = new Collection(all, one => new ProviderSiteModel(one), "sites");
        this.__siteCount = provider.sites;
    }

    toString() {
        return `${this.Name}, ${this.Records} records of ${this.__siteCount} sites`;
    }
}

/** A call of a provider. */
class ProviderSiteModel {
    constructor({ id, site, records }) {
        this.Id = id;
        this.Level = enumName("Level", site.level);
        this.Module = shownBytes(site.module);
        this.File = shownBytes(site.file);
        this.Line = site.line;
        this.Format = shownBytes(site.format);
        this.Records = records;
    }

    toString() {
        return `${this.File}:${this.Line} ${shownInQuotes(this.Format)}`;
    }
}

/** Where the log is from, and what of it is missing: the sentences of irqlog.exe. */
class SourceModel {
    constructor({ log, origin, cut, source }) {
        log.items();
        this.Origin = origin;
        this.StartId = log.tables.header.start_id.toHost();
        const notes = [];
        if (!cut.recordsLeftOut.isZero) {
            notes.push(`the driver left out ${cut.recordsLeftOut} older records of its secondary data, because Windows allowed `
                + `${cut.allowed} bytes`);
        }
        if (cut.missing !== 0) notes.push(`${cut.missing} bytes of the secondary data are not in the dump`);
        const missing = source === null ? 0 : source.missing;
        if (missing !== 0) notes.push(`the dump does not have ${missing} bytes of the log's memory`);
        this.Notes = notes.concat(log.faults);
    }

    toString() {
        return [this.Origin].concat(this.Notes).join("; ");
    }
}

/** Version and settings of the recorder. */
class RecorderModel {
    constructor({ header }) {
        const number = value => typeof value === "number" ? value : value.low;
        this.Version = header.driver_version.slice(0, 3).join(".");
        this.Format = `${header.major}.${header.minor}`;
        this.Engine = enumName("Engine", header.engine);
        this.Lock = enumName("Lock", header.lock);
        this.Level = enumName("Level", number(header.level) & 0xff);
        this.Policy = enumName("Policy", number(header.policy));
        this.State = header.paused.isZero ? "writing" : "paused";
        this.ActiveProcessors = header.active_processors;
        this.TickFrequency = header.tick_frequency.toHost();
        this.OwnCalls = header.own_calls.toHost();
    }

    toString() {
        return `irqlog ${this.Version}, format ${this.Format}, engine ${this.Engine}, lock ${this.Lock}, level ${this.Level}, `
            + `policy ${this.Policy}, ${this.State}`;
    }
}

/** The bug check that the driver's callback has noted. */
class CrashModel {
    constructor(log) {
        const { header } = log.tables;
        this.Code = header.crash_code.toHost();
        this.Parameters = header.crash_parameters.map(parameter => parameter.toHost());
        this.Processor = header.crash_processor.toHost();
        this.Seconds = log.seconds(header.crash_tick);
        this.__text = `bug check ${hexOf(header.crash_code)} (${header.crash_parameters.map(hexOf).join(", ")}) on processor `
            + `${header.crash_processor} at ${fixed(this.Seconds, 7)}`;
    }

    toString() {
        return this.__text;
    }
}

/** A log: what `!irqlog` and `dx @$irqlog()` show. As a row of things it is its last lines. */
class LogModel {
    constructor(found) {
        this.__found = found;
        this.__log = found.log;
    }

    get __records() {
        return this.__log.items().filter(item => item.record !== undefined);
    }

    get Source() { return new SourceModel(this.__found); }
    get Recorder() { return new RecorderModel(this.__log.tables); }
    get Crash() { return this.__log.tables.header.crashed.isZero ? undefined : new CrashModel(this.__log); }
    get Records() { return new Collection(this.__records, item => new RecordModel(this.__log, item), "records"); }
    get Losses() {
        const losses = this.__log.items().filter(item => item.loss !== undefined);
        return new Collection(losses, ({ loss }) => new LossModel(this.__log, loss), "losses");
    }
    /** Records and losses as lines, in order of time: what `irqlog read` prints. */
    get Lines() { return new Collection(this.__log.items(), item => this.__line(item), "lines"); }
    get Processors() {
        const indexes = this.__log.tables.processors.map((_, index) => index);
        return new Collection(indexes, index => new ProcessorModel(this.__log, index), "processors");
    }
    get Lanes() {
        const { lanes } = this.__log.tables;
        const present = lanes.map((_, index) => index).filter(index => !lanes[index].data_words.isZero);
        return new Collection(present, index => new LaneModel(this.__log, index), "lanes");
    }
    get Providers() {
        const { sites } = this.__log.tables;
        const counts = this.__countBySite();
        return new Collection(sites.providers, provider => new ProviderModel(this.__log, provider, counts), "providers");
    }

    __line(item) {
        if (item.loss !== undefined) return lossLine(this.__log, item.loss);
        return recordLine(this.__log, item, understand(this.__log, item));
    }

    __countBySite() {
        const counts = new Map();
        for (const { record } of this.__records) {
            if (record.header.kind !== WIRE.enums.Kind.values.Event) continue;
            const id = this.__log.tables.sites.firstEqual(record.header.site);
            counts.set(id, (counts.get(id) || 0) + 1);
        }
        return counts;
    }

    *[Symbol.iterator]() {
        for (const item of this.__log.items().slice(-LAST)) {
            yield this.__line(item);
        }
    }

    toString() {
        return `${this.__records.length} records, from ${this.Source}`;
    }
}
