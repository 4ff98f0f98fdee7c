// Records and losses as irqlog.exe shows them in a line (crates/reader/src/text.rs, shown/record.rs).

const FLAG = WIRE.flags;

const enumName = (name, value) => {
    const known = WIRE.enums[name].names[value];
    return known === undefined ? String(value) : known;
};

const irqlName = irql => irql < WIRE.irqls.length ? WIRE.irqls[irql] : "?";

const fixed = (number, digits) => renderFloat(number, false, changed(PLAIN_SPEC, { precision: digits }));

/** A record, understood: what it says beside its header. */
function understand(log, item) {
    const { header, payload } = item.record;
    const KINDS = WIRE.enums.Kind.values;
    if (header.kind === KINDS.Text) return { kind: "text", text: decodeUtf8(payload) };
    if (header.kind === KINDS.Event) return understandEvent(log, header, payload);
    const layout = WIRE.structures.BlobHeader;
    if (header.kind === KINDS.Blob && payload.length >= layout.size) {
        const blob = structure(layout, payload, 0);
        return { kind: "blob", blob, bytes: slice(payload, layout.size, payload.length) };
    }
    return { kind: "unknown", bytes: payload };
}

function understandEvent(log, header, payload) {
    const sites = log.tables.sites;
    const id = sites.firstEqual(header.site);
    const known = sites.find(id);
    const args = parseArguments(payload, (header.flags & FLAG.POINTERS_HASHED) !== 0);
    if (known === null) {
        const { text, isShortened } = eventText("(unknown site){", "", args);
        return { kind: "event", id, args, names: [], text: text.replace("{", ""), isShortened, provider: null, site: null };
    }
    const { provider, site } = known;
    const names = decodeUtf8(site.names);
    // The pair id that begins a span is not for the format.
    const own = site.role === WIRE.enums.SiteRole.values.Begin ? args.slice(0, -1) : args;
    const { text, isShortened } = eventText(decodeUtf8(site.format), names, own);
    return {
        kind: "event", id, args, text, isShortened, provider, site,
        names: isUtf8(site.names) ? names.split(",") : [],
    };
}

/** What stands behind the columns of a line. */
function message(item, content) {
    const { header } = item.record;
    const has = flag => (header.flags & flag) !== 0;
    const marks = [
        [has(FLAG.TRUNCATED), "cut"], [has(FLAG.USER), "user"], [item.late, "late"], [content.isShortened, "shortened"],
    ];
    return body(header, content) + marks.map(([isSet, word]) => isSet ? ` [${word}]` : "").join("");
}

function body(header, content) {
    /** Bytes of a blob that are shown. */
    const SOME = 16;
    switch (content.kind) {
        case "text": return shown(content.text);
        case "event":
            return (content.provider === null ? "" : shown(content.provider.name) + ": ") + shown(content.text);
        case "blob": {
            const { blob, tag, offset, total } = content.blob;
            const bytes = hex(slice(content.bytes, 0, SOME), 2).map(byte => " " + byte).join("");
            const more = content.bytes.length > SOME ? " ..." : "";
            return `blob ${blob} tag 0x${tag.toString(16)} ${offset}+${content.bytes.length} of ${total}:${bytes}${more}`;
        }
        default: return `(kind ${header.kind}, ${content.bytes.length} bytes)`;
    }
}

/** A record as a line: `    12.345678  cpu 3   DISPATCH      info     0x1a2c  text`. */
function recordLine(log, item, content) {
    const { header } = item.record;
    const seconds = fixed(log.seconds(header.tick), 7).padStart(13);
    const cpu = String(header.processor).padEnd(3);
    const irql = irqlName(header.irql).padEnd(8);
    // The entry that never waits is for NMIs, whichever lane the record is in.
    const isNmi = log.isNmi(item.lane) || (header.flags & FLAG.NEVER_WAITS) !== 0;
    const lane = isNmi ? "nmi" : "   ";
    const level = enumName("Level", header.level).padEnd(5);
    const thread = (header.flags & FLAG.NO_THREAD) !== 0 ? "     -" : `0x${header.thread.toString(16)}`.padStart(6);
    return `${seconds}  cpu ${cpu} ${irql} ${lane}  ${level}  ${thread}  ${message(item, content)}`;
}

/** What has become of one record, and of several. */
function lossWords({ cause, fromTick }) {
    switch (cause) {
        case "overwritten":
            // The normal state of a ring that is full.
            return fromTick === null
                ? ["older record is overwritten", "older records are overwritten"]
                : ["record was overwritten before it could be read", "records were overwritten before they could be read"];
        case "not-saved": return ["record was not saved", "records were not saved"];
        case "damaged": return ["record is DAMAGED", "records are DAMAGED"];
        default: return ["record is behind the end of the file", "records are behind the end of the file"];
    }
}

/** A loss as a line. */
function lossLine(log, loss) {
    const last = loss.firstSeq.add(loss.count).sub(U64.of(1));
    const isOne = loss.count.equals(U64.of(1));
    const count = `${loss.count} ${lossWords(loss)[isOne ? 0 : 1]}`;
    const numbers = isOne ? `number ${loss.firstSeq}` : `number ${loss.firstSeq} to ${last}`;
    const at = tick => fixed(log.seconds(tick), 7);
    let when = "";
    if (loss.fromTick !== null && loss.toTick !== null) {
        when = `, between ${at(loss.fromTick)} and ${at(loss.toTick)}`;
    } else if (loss.toTick !== null) {
        when = `, before ${at(loss.toTick)}`;
    } else if (loss.fromTick !== null) {
        when = `, after ${at(loss.fromTick)}`;
    }
    return `--- lane ${loss.lane}: ${count}, ${numbers}${when} ---`;
}
