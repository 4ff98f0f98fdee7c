// An event: its arguments, and its text by the format of its site.

/** The most bytes that the text of an event has where it is shown. */
const MAX_TEXT = WIRE.limits.maxText;
/** The most pieces of a format that are looked at. */
const MAX_PIECES = WIRE.limits.maxPieces;

const KIND = WIRE.enums.ArgumentKind.values;

/** Width in bytes, and whether it is signed, of each kind that is an integer. */
const INTEGERS = {};
for (const name of ["U8", "U16", "U32", "U64", "U128", "I8", "I16", "I32", "I64", "I128"]) {
    INTEGERS[KIND[name]] = { bytes: Number(name.slice(1)) / 8, isSigned: name[0] === "I" };
}
INTEGERS[KIND.Usize] = { bytes: 8, isSigned: false };
INTEGERS[KIND.Isize] = { bytes: 8, isSigned: true };

const STRINGS = [KIND.Str, KIND.Bytes, KIND.Utf16];
const TWO_WORDS = [KIND.U128, KIND.I128, KIND.Guid];

/**
 * The arguments of an event's payload, as far as they are there: kind, value, bytes that were cut from a string, and
 * whether the value is the hash of an address. Null is never hashed.
 */
function parseArguments(payload, areHashed) {
    const count = payload.length === 0 ? 0 : payload[0] & ~WIRE.limits.needsDriver;
    let at = Math.ceil((1 + count) / 8) * 8;
    const args = [];
    // A head that is cut off has no kinds.
    if (1 + count > payload.length) return args;
    for (const kind of payload.subarray(1, 1 + Math.min(count, WIRE.limits.maxArguments))) {
        const taken = takeArgument(kind, slice(payload, at, payload.length));
        if (taken === null) break;
        taken.argument.isHashed = areHashed && kind === KIND.Pointer && !taken.argument.value.isZero;
        args.push(taken.argument);
        at += taken.used;
    }
    return args;
}

function takeArgument(kind, bytes) {
    if (bytes.length < 8) return null;
    if (STRINGS.indexOf(kind) !== -1) {
        const [kept, had] = [u32At(bytes, 0), u32At(bytes, 4)];
        const used = 8 + Math.ceil(kept / 8) * 8;
        if (used > bytes.length) return null;
        const string = slice(bytes, 8, kept);
        const value = kind === KIND.Bytes ? string : kind === KIND.Utf16 ? decodeUtf16(string) : decodeUtf8(string);
        return { argument: { kind, value, cut: Math.max(0, had - kept) }, used };
    }
    const used = TWO_WORDS.indexOf(kind) !== -1 ? 16 : 8;
    if (used > bytes.length) return null;
    return { argument: { kind, value: valueOf(kind, slice(bytes, 0, used)), cut: 0 }, used };
}

function valueOf(kind, bytes) {
    const integer = INTEGERS[kind];
    if (integer !== undefined) return Array.from(slice(bytes, 0, integer.bytes));
    switch (kind) {
        case KIND.Bool: return !u64At(bytes, 0).isZero;
        case KIND.Char: return characterOf(u32At(bytes, 0));
        case KIND.F32: return floatOf(bytes, true);
        case KIND.F64: return floatOf(bytes, false);
        case KIND.Status: return u32At(bytes, 0);
        case KIND.Guid: return bytes;
        default: return u64At(bytes, 0);
    }
}

function characterOf(codePoint) {
    const isScalar = codePoint < 0xd800 || codePoint >= 0xe000 && codePoint <= 0x10ffff;
    return isScalar ? String.fromCodePoint(codePoint) : REPLACEMENT;
}

function floatOf(bytes, isSingle) {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, u32At(bytes, 0), true);
    view.setUint32(4, u32At(bytes, 4), true);
    return isSingle ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

const statusName = status => WIRE.statuses[status];

const statusDigits = status => "0x" + status.toString(16).padStart(8, "0");

/** An argument as a specification says, or, where they do not fit each other, as it shows best. */
function renderArgument(argument, spec, room) {
    const { kind, value } = argument;
    const integer = INTEGERS[kind];
    if (integer !== undefined) return renderInteger(value, integer.isSigned, spec);
    switch (kind) {
        case KIND.Bool: return renderText(value ? "true" : "false", spec);
        case KIND.Char: return isDebug(spec.style) ? "'" + escapeDebug(value, "'") + "'" : renderText(value, spec);
        case KIND.F32: return renderFloat(value, true, spec);
        case KIND.F64: return renderFloat(value, false, spec);
        case KIND.Pointer: return argument.isHashed ? renderHash(value, spec) : renderPointer(value, spec);
        case KIND.Status: return renderStatus(value, spec);
        case KIND.Guid: return renderText(renderGuid(value), spec);
        case KIND.Str:
        case KIND.Utf16: return isDebug(spec.style) ? debugText(value) : renderText(value, spec);
        case KIND.Bytes: return renderBytes(value, spec, room);
        default: return renderInteger(value.toBytes(), false, changed(spec, { alternate: true, style: "LowerHex" }));
    }
}

function renderStatus(status, spec) {
    const NUMBERS = ["LowerHex", "UpperHex", "Octal", "Binary"];
    if (NUMBERS.indexOf(spec.style) !== -1) return renderInteger(new U64(0, status).toBytes().slice(0, 4), false, spec);
    const name = statusName(status);
    return renderText(name === undefined ? statusDigits(status) : name, spec);
}

/** The arguments that a format is given. */
class Given {
    constructor(names, args) {
        this.names = names;
        this.args = args;
        /** The one that the next hole takes that says nothing. */
        this.next = 0;
        /** Those that a hole has taken. */
        this.taken = args.map(() => false);
    }

    find(which) {
        const index = which === NEXT ? this.next++ : which.kind === "index" ? which.index : this.names.indexOf(which.name);
        if (index >= 0 && index < this.args.length) this.taken[index] = true;
        return this.args[index];
    }

    /** Those that no hole has taken, in brackets. */
    rest(room) {
        const rest = this.args.filter((_, index) => !this.taken[index]);
        const shown = rest.map((argument) => renderArgument(argument, PLAIN_SPEC, room));
        return rest.length === 0 ? "" : ` [+ ${shown.join(", ")}]`;
    }

    count(count) {
        if (count === null) return null;
        if (count.kind === "number") return Math.min(count.number, WIDEST);
        const argument = this.find(count);
        const integer = argument === undefined ? undefined : INTEGERS[argument.kind];
        if (integer === undefined || integer.isSigned) return null;
        const digits = decimal(argument.value);
        return digits.length > 4 ? WIDEST : Math.min(Number(digits), WIDEST);
    }
}

/**
 * The text of an event by a format, and whether a part of it was left out. A hole without its argument is `{?}`; arguments
 * that no hole takes follow in brackets; a format that is wrong is shown as it is, with the arguments behind it.
 */
function eventText(format, names, args) {
    const given = new Given(names.split(",").slice(0, args.length), args);
    let [text, size, index] = ["", 0, 0];
    for (const piece of pieces(format)) {
        if (size > MAX_TEXT) break;
        if (index++ === MAX_PIECES) {
            return { text: shorten(text + "...", MAX_TEXT).text, isShortened: true };
        }
        if (piece === null) {
            return shorten(wrongFormat(format, args), MAX_TEXT);
        }
        const part = typeof piece === "string" ? piece : renderHole(piece, given, MAX_TEXT - size);
        text += part;
        size += utf8Length(part);
    }
    return shorten(text + given.rest(Math.max(MAX_TEXT - size, 0)), MAX_TEXT);
}

function renderHole(hole, given, room) {
    // `.*` takes its precision before the value.
    const precision = given.count(hole.precision);
    const width = given.count(hole.width);
    const argument = given.find(hole.argument);
    return argument === undefined ? "{?}" : renderArgument(argument, changed(hole, { width, precision }), room);
}

function wrongFormat(format, args) {
    // A little more than is shown, so that it counts as shortened.
    let [text, size] = ["", 0];
    for (const character of format) {
        size += utf8Size(character.codePointAt(0));
        if (size > MAX_TEXT + 4) break;
        text += character;
    }
    size = utf8Length(text);
    for (const argument of args) {
        const part = " " + renderArgument(argument, PLAIN_SPEC, MAX_TEXT - size - 1);
        text += part;
        size += utf8Length(part);
    }
    return text;
}
