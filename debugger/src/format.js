// Formats of events: the grammar of core::fmt ("Syntax", doc.rust-lang.org/std/fmt), as crates/wire/src/format.rs has it.

const ALIGNS = new Map(WIRE.format.aligns);
const STYLES = new Map(WIRE.format.styles);

/** What a hole says about an argument, a width or a precision: the next one, one by number, or one by name. */
const NEXT = { kind: "next" };

/** A format as a row of pieces: texts and holes. Behind an error nothing comes: the last piece is null then. */
function* pieces(format) {
    let rest = format;
    while (rest !== "") {
        const taken = takePiece(rest);
        if (taken === null) {
            yield null;
            return;
        }
        yield taken.piece;
        rest = rest.slice(taken.used);
    }
}

function takePiece(rest) {
    const literal = rest.search(/[{}]/);
    if (literal !== 0) {
        const end = literal === -1 ? rest.length : literal;
        return { piece: rest.slice(0, end), used: end };
    }
    if (rest.startsWith("{{") || rest.startsWith("}}")) return { piece: rest[0], used: 2 };
    if (rest[0] === "}") return null;
    const inside = rest.slice(1);
    const end = closing(inside);
    const hole = end === -1 ? null : parseHole(inside.slice(0, end));
    return hole === null ? null : { piece: hole, used: end + 2 };
}

/** Offset of the `}` that ends a hole. A `}` may also be the fill: `{:}<5}`. */
function closing(inside) {
    const first = inside.indexOf("}");
    const behind = inside.slice(first + 1);
    const isFill = first !== -1 && inside.slice(0, first).endsWith(":") && ALIGNS.has(behind[0]);
    return isFill ? inside.indexOf("}", first + 1) : first;
}

/** A hole, or null if it is none. */
function parseHole(inside) {
    const colon = inside.indexOf(":");
    const name = colon === -1 ? inside : inside.slice(0, colon);
    const argument = parseWhich(name.replace(BLANKS, "").replace(BLANKS_AT_END, ""));
    if (argument === null) return null;
    const hole = {
        argument, fill: " ", align: null, plus: false, alternate: false, zero: false, width: null, precision: null, style: "",
    };
    let rest = colon === -1 ? "" : inside.slice(colon + 1).replace(BLANKS_AT_END, "");
    rest = parseFillAndAlign(rest, hole);
    hole.plus = rest[0] === "+";
    rest = rest.replace(/^[+-]/, "");
    hole.alternate = rest[0] === "#";
    rest = rest.replace(/^#/, "");
    // `0$` is a width that argument 0 gives.
    hole.zero = /^0(?!\$)/.test(rest);
    rest = hole.zero ? rest.slice(1) : rest;
    [hole.width, rest] = parseCount(rest);
    if (rest[0] === ".") {
        [hole.precision, rest] = rest[1] === "*" ? [NEXT, rest.slice(2)] : parseCount(rest.slice(1));
        if (hole.precision === null) return null;
    }
    if (!STYLES.has(rest)) return null;
    hole.style = STYLES.get(rest);
    return hole;
}

function parseFillAndAlign(spec, hole) {
    const [first, second] = spec === "" ? [] : Array.from(spec.slice(0, 4));
    if (ALIGNS.has(second)) {
        [hole.fill, hole.align] = [first, ALIGNS.get(second)];
        return spec.slice(first.length + 1);
    }
    if (ALIGNS.has(first)) {
        hole.align = ALIGNS.get(first);
        return spec.slice(1);
    }
    return spec;
}

const isWordCharacter = character => character === "_" || ALPHANUMERIC.has(character.codePointAt(0));

/** A number, or an argument and `$`, at the start of a text; and what is behind it. */
function parseCount(rest) {
    let word = "";
    for (const character of rest) {
        if (!isWordCharacter(character)) break;
        word += character;
    }
    if (rest[word.length] === "$") {
        const argument = parseWhich(word);
        if (argument !== null && argument !== NEXT) return [argument, rest.slice(word.length + 1)];
    }
    const digits = /^[0-9]*/.exec(rest)[0];
    const number = parseNumber(digits);
    return number === null ? [null, rest] : [{ kind: "number", number }, rest.slice(digits.length)];
}

/** The argument that a text names, or null if it names none. */
function parseWhich(text) {
    if (text === "") return NEXT;
    if (/^[0-9]/.test(text)) {
        const index = parseNumber(text);
        return index === null ? null : { kind: "index", index };
    }
    const [first, ...others] = Array.from(text);
    const isName = (first === "_" || ALPHABETIC.has(first.codePointAt(0))) && others.every(isWordCharacter);
    return isName ? { kind: "name", name: text } : null;
}

/** A number of decimal digits that 64 bits hold, rounded where it is beyond 2^53; or null. */
function parseNumber(digits) {
    if (!/^[0-9]+$/.test(digits)) return null;
    const significant = digits.replace(/^0+/, "");
    const most = U64_MAX.toString();
    const isTooLarge = significant.length > most.length || significant.length === most.length && significant > most;
    return isTooLarge ? null : Number(digits);
}
