// Objects of the script as JSON with the names and types of `irqlog --json`, so that the two can be compared.
"use strict";

const { Int64, IndexedValue } = require("./host");

/** JSON text that is not made by JSON.stringify: a number of more than 53 bits, or a value's own digits. */
class Raw {
    constructor(text) {
        this.text = text;
    }
}

function stringify(value) {
    if (value instanceof Raw) return value.text;
    if (value instanceof Int64) return value.toString();
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    if (Array.isArray(value)) return `[${value.map(stringify).join(",")}]`;
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${stringify(field)}`).join(",")}}`;
}

/** The elements of something that the debugger can iterate. */
const elements = collection => Array.from(collection, one => one instanceof IndexedValue ? one.value : one);

const numberOf = text => new Raw(text);

/** A float as JSON of Rust has it: with a point or an exponent, also where it is an integer. */
function float(value) {
    if (!Number.isFinite(value)) return null;
    // With the digits alone, as Rust writes it: a parser need not be exact where zeros fill up.
    const text = Object.is(value, -0) ? "-0" : Math.abs(value) >= 1e16 ? value.toExponential() : String(value);
    return new Raw(/[.e]/.test(text) ? text : text + ".0");
}

/** The text of a site as each of its events repeats it: what takes a KiB. */
function start(script, bytes) {
    return script.shorten(script.decodeUtf8(bytes.subarray(0, 1025)), 1024).text;
}

function argumentOf(script, argument, name) {
    const { Type, Cut } = argument;
    const { value } = argument.__argument;
    const text = argument.Text;
    const integers = /^[ui](8|16|32|64|128|size)$/;
    const all = { name: name === "" ? undefined : script.shorten(name, 1024).text, type: Type };
    if (integers.test(Type)) {
        const isWide = Type.endsWith("128");
        all.value = isWide ? text : numberOf(text);
        all.value_exact = /(8|16|32)$/.test(Type) && !isWide ? undefined : text;
    } else if (Type === "f32" || Type === "f64") {
        all.value = float(value);
        all.value_exact = text;
    } else if (Type === "bool") {
        all.value = value;
    } else if (Type === "status") {
        const digits = "0x" + value.toString(16).padStart(8, "0");
        all.value = { status: digits, name: text === digits ? null : text };
    } else if (/^[0-9]+$/.test(Type)) {
        const digits = BigInt(text).toString();
        all.value = numberOf(digits);
        all.value_exact = digits;
    } else if (Type === "char" || Type === "str" || Type === "utf16") {
        all.value = value;
    } else if (Type === "pointer") {
        all.value = "0x" + (BigInt(value.high) << 32n | BigInt(value.low)).toString(16);
        all.hashed = argument.IsHashed ? true : undefined;
    } else {
        all.value = text;
    }
    all.cut = Cut === 0 ? undefined : Cut;
    return all;
}

const set = flag => flag ? true : undefined;

/** A record. */
function recordOf(script, record) {
    const content = record.__content;
    const all = {
        seconds: float(record.Seconds), tick: record.Tick, lane: record.Lane, seq: record.Seq, cpu: record.Cpu,
        irql: record.IrqlNumber, irql_name: record.Irql, nmi: record.IsNmi, level: record.Level, kind: record.Kind,
        thread: record.HasThread ? record.Thread : undefined, process: record.HasThread ? record.Process : undefined,
    };
    if (content.kind === "text") {
        all.text = content.text;
    } else if (content.kind === "event") {
        const { Id, IsKnown, Line, Role } = record.Site;
        const part = name => IsKnown ? start(script, content.site[name]) : undefined;
        const names = content.names;
        Object.assign(all, {
            text: content.text, text_shortened: set(record.IsShortened), site: Id,
            provider: IsKnown ? content.provider.name : undefined, role: Role === "event" ? undefined : Role,
            format: part("format"), module: part("module"), file: part("file"), line: IsKnown ? Line : undefined,
            arguments: elements(record.Arguments).map((one, at) => argumentOf(script, one, names[at] || "")),
        });
    } else if (record.Blob !== undefined) {
        const { Blob, Tag, Offset, Total, Bytes } = record.Blob;
        all.blob = { blob: Blob, tag: Tag, offset: Offset, total: Total, bytes: Bytes };
    } else {
        all.bytes = record.Bytes;
    }
    return Object.assign(all, {
        truncated: set(record.IsCut), user: set(record.IsUser), own: set(record.IsOwn),
        never_waits: set(record.NeverWaits), pointers_hashed: set(record.PointersHashed),
        pointers_raw: set(record.PointersRaw), late: set(record.IsLate),
    });
}

/** A provider, and its sites behind it. */
function providerOf(provider) {
    const sites = elements(provider.Sites);
    const { Name, Level, Drivers, Loads, Vanished, Records } = provider;
    const first = {
        provider: Name, level: Level, drivers: Drivers, loads: Loads, vanished: Vanished, sites: provider.__siteCount, records: Records,
    };
    return [first].concat(sites.map(site => ({
        site: site.Id, provider: Name, level: site.Level, module: site.Module, file: site.File, line: site.Line,
        format: site.Format, records: site.Records,
    })));
}

/** A lane. */
function laneOf(lane) {
    return {
        lane: lane.Index, kind: lane.Kind, cpu: lane.Cpu, bytes: lane.Bytes, written: lane.Written,
        contended: lane.Contended, longest_wait_ticks: lane.LongestWaitTicks,
        longest_hold_ticks_sampled: lane.LongestHoldTicks, hold_samples: lane.HoldSamples,
    };
}

module.exports = { stringify, elements, recordOf, providerOf, laneOf };
