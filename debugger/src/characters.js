// Text: UTF-8 and UTF-16 as Rust decodes them, and what is escaped where a person reads it.

const REPLACEMENT = "\ufffd";

/** Whether a code point is in a table of ranges: distances from bound to bound, the first bound begins a range. */
class CodePointSet {
    constructor(distances) {
        this.bounds = [];
        let bound = 0;
        for (const distance of distances) {
            bound += distance;
            this.bounds.push(bound);
        }
    }

    has(codePoint) {
        let [low, high] = [0, this.bounds.length];
        while (low < high) {
            const middle = low + high >> 1;
            if (this.bounds[middle] <= codePoint) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low % 2 === 1;
    }
}

const ESCAPED = new CodePointSet(WIRE.unicode.escaped);
const ALPHABETIC = new CodePointSet(WIRE.unicode.alphabetic);
const ALPHANUMERIC = new CodePointSet(WIRE.unicode.alphanumeric);

/** Characters that Rust's `trim` takes from the ends: White_Space of Unicode. */
const BLANKS = /^[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const BLANKS_AT_END = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;

/** Text out of code points. */
class TextBuilder {
    constructor() {
        this.text = "";
    }

    push(codePoint) {
        this.text += String.fromCodePoint(codePoint);
    }
}

/**
 * The length of the sequence that a lead byte begins, and the bounds of the byte behind it (Unicode, table 3-7); null for
 * a byte that begins none.
 */
function leadOf(byte) {
    if (byte >= 0xc2 && byte <= 0xdf) return [1, 0x80, 0xbf];
    if (byte === 0xe0) return [2, 0xa0, 0xbf];
    if (byte === 0xed) return [2, 0x80, 0x9f];
    if (byte >= 0xe1 && byte <= 0xef) return [2, 0x80, 0xbf];
    if (byte === 0xf0) return [3, 0x90, 0xbf];
    if (byte >= 0xf1 && byte <= 0xf3) return [3, 0x80, 0xbf];
    if (byte === 0xf4) return [3, 0x80, 0x8f];
    return null;
}

/** Bytes as characters of the same numbers. */
function latin1(bytes) {
    // As many arguments as every engine takes.
    const MOST = 4096;
    let text = "";
    for (let at = 0; at < bytes.length; at += MOST) {
        text += String.fromCharCode.apply(null, bytes.subarray(at, at + MOST));
    }
    return text;
}

/** UTF-8 as text; each longest beginning of a sequence that does not end is one replacement character. */
function decodeUtf8(bytes) {
    if (bytes.every(byte => byte < 0x80)) return latin1(bytes);
    const out = new TextBuilder();
    let at = 0;
    while (at < bytes.length) {
        const byte = bytes[at++];
        if (byte < 0x80) {
            out.push(byte);
            continue;
        }
        const lead = leadOf(byte);
        if (lead === null) {
            out.text += REPLACEMENT;
            continue;
        }
        let [more, low, high] = lead;
        let codePoint = byte & 0x3f >> more;
        while (more > 0 && at < bytes.length && bytes[at] >= low && bytes[at] <= high) {
            codePoint = codePoint << 6 | bytes[at++] & 0x3f;
            [more, low, high] = [more - 1, 0x80, 0xbf];
        }
        if (more === 0) {
            out.push(codePoint);
        } else {
            out.text += REPLACEMENT;
        }
    }
    return out.text;
}

/** Whether bytes are UTF-8. */
function isUtf8(bytes) {
    let at = 0;
    while (at < bytes.length) {
        const byte = bytes[at++];
        if (byte < 0x80) continue;
        const lead = leadOf(byte);
        if (lead === null) return false;
        let [more, low, high] = lead;
        while (more > 0) {
            if (at >= bytes.length || bytes[at] < low || bytes[at] > high) return false;
            [at, more, low, high] = [at + 1, more - 1, 0x80, 0xbf];
        }
    }
    return true;
}

/** Little-endian UTF-16 as text; a lone half of a pair is a replacement character, an odd byte at the end is none. */
function decodeUtf16(bytes) {
    const out = new TextBuilder();
    for (let at = 0; at + 1 < bytes.length; at += 2) {
        const unit = bytes[at] | bytes[at + 1] << 8;
        const next = at + 3 < bytes.length ? bytes[at + 2] | bytes[at + 3] << 8 : 0;
        if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
            out.push(0x10000 + (unit - 0xd800 << 10 | next - 0xdc00));
            at += 2;
        } else if (unit >= 0xd800 && unit < 0xe000) {
            out.text += REPLACEMENT;
        } else {
            out.push(unit);
        }
    }
    return out.text;
}

/** Bytes that a code point takes in UTF-8. */
function utf8Size(codePoint) {
    return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

/** Bytes that a text takes in UTF-8. */
function utf8Length(text) {
    let length = 0;
    for (const character of text) {
        length += utf8Size(character.codePointAt(0));
    }
    return length;
}

/** The number of characters of a text. */
function characterCount(text) {
    let count = 0;
    for (const _ of text) {
        count++;
    }
    return count;
}

/** A character as `{:?}` of Rust shows it in a text: escaped if it would not show as itself. `quote` is escaped too. */
function escapeDebug(character, quote) {
    const codePoint = character.codePointAt(0);
    switch (character) {
        case "\0": return "\\0";
        case "\t": return "\\t";
        case "\r": return "\\r";
        case "\n": return "\\n";
        case "\\": return "\\\\";
        case quote: return "\\" + quote;
        default: return ESCAPED.has(codePoint) ? escapeUnicode(codePoint) : character;
    }
}

function escapeUnicode(codePoint) {
    return "\\u{" + codePoint.toString(16) + "}";
}

/** A text as `{:?}` of Rust shows it. */
function debugText(text) {
    let shown = "\"";
    for (const character of text) {
        shown += escapeDebug(character, "\"");
    }
    return shown + "\"";
}

/** Whether a character has to be escaped where a person reads it. */
function isDeceptive(codePoint) {
    if (codePoint >= 0x20 && codePoint <= 0x7e) return false;
    return codePoint < 0x20 || ESCAPED.has(codePoint) || WIRE.unicode.blank.indexOf(codePoint) !== -1;
}

/** A character of a text of others, in one line of what a person reads. */
function shownCharacter(character) {
    const codePoint = character.codePointAt(0);
    if (!isDeceptive(codePoint)) return character;
    const escaped = escapeDebug(character, "");
    return escaped === character ? escapeUnicode(codePoint) : escaped;
}

/** A text of others, with everything escaped that does not show as itself in one line. */
function shown(text) {
    if (/^[ -~]*$/.test(text)) return text;
    let out = "";
    for (const character of text) {
        out += shownCharacter(character);
    }
    return out;
}

/** The same in quotes, with quotes and backslashes escaped. */
function shownInQuotes(text) {
    let out = "\"";
    for (const character of text) {
        out += character === "\"" || character === "\\" ? "\\" + character : shownCharacter(character);
    }
    return out + "\"";
}

/** A text that takes at most `most` bytes where it is shown, and whether it was longer. */
function shorten(text, most) {
    let [takes, kept, at] = [0, 0, 0];
    for (const character of text) {
        const codePoint = character.codePointAt(0);
        if (character === "\"" || character === "\\") {
            takes += 2;
        } else if (!isDeceptive(codePoint)) {
            takes += utf8Size(codePoint);
        } else {
            takes += codePoint <= 0xffff ? 8 : 12;
        }
        if (takes > most) {
            return { text: text.slice(0, kept) + "...", isShortened: true };
        }
        at += character.length;
        if (takes <= most - 3) {
            kept = at;
        }
    }
    return { text, isShortened: false };
}
