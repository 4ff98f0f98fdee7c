// Values as core::fmt renders them: crates/reader/src/render.rs does it with `format!` itself.

/** The widest that a field gets. */
const WIDEST = WIRE.limits.widest;

const PLAIN_SPEC = {
    fill: " ", align: null, plus: false, alternate: false, zero: false, width: null, precision: null, style: "Display",
};

/** A specification with some of its parts changed. */
function changed(spec, changes) {
    return Object.assign({}, spec, changes);
}

/** Fills a value up to the width of a specification. */
function pad(value, spec, side) {
    const missing = Math.max(0, (spec.width === null ? 0 : spec.width) - characterCount(value));
    const align = spec.align === null ? side : spec.align;
    const before = align === "Left" ? 0 : align === "Center" ? Math.floor(missing / 2) : missing;
    return spec.fill.repeat(before) + value + spec.fill.repeat(missing - before);
}

/** Sign, prefix and digits of a number, with zeros between them up to the width if the specification wants them. */
function padNumber(sign, prefix, digits, spec) {
    const width = spec.zero && spec.width !== null ? spec.width : 0;
    const zeros = "0".repeat(Math.max(0, width - sign.length - prefix.length - digits.length));
    return pad(sign + prefix + zeros + digits, spec, "Right");
}

const BASES = {
    LowerHex: { bits: 4, prefix: "0x" }, DebugLowerHex: { bits: 4, prefix: "0x" },
    UpperHex: { bits: 4, prefix: "0x", isUpper: true }, DebugUpperHex: { bits: 4, prefix: "0x", isUpper: true },
    Octal: { bits: 3, prefix: "0o" }, Binary: { bits: 1, prefix: "0b" },
};

const isExponential = style => style === "LowerExp" || style === "UpperExp";
const isDebug = style => style === "Debug" || style === "DebugLowerHex" || style === "DebugUpperHex";

/** An integer: its bytes, the lowest first. Digits in a base other than ten are those of its two's complement. */
function renderInteger(bytes, isSigned, spec) {
    const base = BASES[spec.style];
    if (base !== undefined) {
        const digits = digitsInBase(bytes, base.bits);
        const prefix = spec.alternate ? base.prefix : "";
        return padNumber(spec.plus ? "+" : "", prefix, base.isUpper ? digits.toUpperCase() : digits, spec);
    }
    const isNegative = isSigned && bytes[bytes.length - 1] >= 0x80;
    const digits = decimal(isNegative ? negated(bytes) : bytes);
    const sign = isNegative ? "-" : spec.plus ? "+" : "";
    return padNumber(sign, "", isExponential(spec.style) ? integerExponent(digits, spec) : digits, spec);
}

function integerExponent(digits, spec) {
    let exponent = digits.length - 1;
    let coefficient;
    if (spec.precision === null) {
        coefficient = digits.replace(/0+$/, "");
        coefficient = coefficient === "" ? "0" : coefficient;
    } else if (spec.precision >= exponent) {
        coefficient = digits + "0".repeat(spec.precision - exponent);
    } else {
        coefficient = roundDigits(digits, spec.precision + 1);
        if (coefficient.length > spec.precision + 1) {
            coefficient = coefficient.slice(0, -1);
            exponent++;
        }
    }
    return scientific(coefficient, exponent, spec);
}

/** `1.234e5`, out of the digits and the exponent. */
function scientific(digits, exponent, spec) {
    const fraction = digits.length > 1 ? "." + digits.slice(1) : "";
    return digits[0] + fraction + (spec.style === "UpperExp" ? "E" : "e") + exponent;
}

/** An f64, or an f32 if `isSingle`. */
function renderFloat(number, isSingle, spec) {
    if (Number.isNaN(number)) return padNumber("", "", "NaN", spec);
    const isNegative = number < 0 || Object.is(number, -0);
    const sign = isNegative ? "-" : spec.plus ? "+" : "";
    const magnitude = Math.abs(number);
    if (magnitude === Infinity) return padNumber(sign, "", "inf", spec);
    return padNumber(sign, "", floatDigits(magnitude, isSingle, spec), spec);
}

function floatDigits(magnitude, isSingle, spec) {
    // `{:?}` without a precision is exponential where a number without a sign of its size would be long.
    const isLong = magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16);
    // An f32 is compared with bounds of its own type.
    const isLongSingle = magnitude !== 0 && (magnitude < Math.fround(1e-4) || magnitude >= Math.fround(1e16));
    const isDebugExponential = isDebug(spec.style) && spec.precision === null && (isSingle ? isLongSingle : isLong);
    if (isExponential(spec.style) || isDebugExponential) {
        const { digits, exponent } = spec.precision === null
            ? shortest(magnitude, isSingle)
            : exactExponential(magnitude, spec.precision);
        return scientific(digits, exponent, spec);
    }
    if (spec.precision !== null) return exactFixed(magnitude, spec.precision);
    const { digits, exponent } = shortest(magnitude, isSingle);
    const point = exponent + 1;
    const whole = point <= 0 ? "0" : digits.slice(0, point).padEnd(point, "0");
    const fraction = point <= 0 ? "0".repeat(-point) + digits : digits.slice(point);
    const isZero = magnitude === 0;
    if (isZero || fraction === "") return whole + (isDebug(spec.style) ? ".0" : "");
    return whole + "." + fraction;
}

/** The fewest digits that read back as a number, and the exponent of the first. */
function shortest(magnitude, isSingle) {
    if (magnitude === 0) return { digits: "0", exponent: 0 };
    return splitExponential(isSingle ? shortestSingle(magnitude) : shortestDouble(magnitude));
}

function splitExponential(text) {
    const [coefficient, exponent] = text.split("e");
    const digits = coefficient.replace(".", "").replace(/0+$/, "");
    return { digits: digits === "" ? "0" : digits, exponent: Number(exponent) };
}

/** Of two that are equally near, JavaScript takes the even one here, and Rust the larger one. */
function shortestDouble(magnitude) {
    const even = magnitude.toExponential();
    const larger = magnitude.toExponential(splitExponential(even).digits.length - 1);
    return Number(larger) === magnitude ? larger : even;
}

/** The same for an f32, which JavaScript does not know: one digit more, until the number comes back. */
function shortestSingle(magnitude) {
    for (let fraction = 0; fraction < 9; fraction++) {
        const nearest = magnitude.toExponential(fraction);
        const { digits, exponent } = splitExponential(nearest);
        const neighbour = step => `${Number(digits.padEnd(fraction + 1, "0")) + step}e${exponent - fraction}`;
        // At a power of two the numbers below are closer, so that a decimal above may read back though the nearest does not.
        const found = [nearest, neighbour(1), neighbour(-1)].find(text => Math.fround(Number(text)) === magnitude);
        if (found !== undefined) return Number(found).toExponential(fraction);
    }
    return magnitude.toExponential(9);
}

/** A finite number as an integer of decimal digits, and the number of them behind the point. */
function exactDecimal(magnitude) {
    const words = new Uint32Array(new Float64Array([magnitude]).buffer);
    const biased = words[1] >>> 20;
    const high = (words[1] & 0xfffff) + (biased === 0 ? 0 : 0x100000);
    let exponent = Math.max(biased, 1) - 1075;
    const limbs = [];
    // 2^32 in two steps, since a limb times 2^32 would not be exact.
    multiply(limbs, 1, high);
    multiply(limbs, 0x10000, 0);
    multiply(limbs, 0x10000, words[0]);
    const fraction = Math.max(0, -exponent);
    const factor = exponent > 0 ? 2 : 5;
    for (let left = Math.abs(exponent); left > 0; left -= 8) {
        multiply(limbs, Math.pow(factor, Math.min(left, 8)), 0);
    }
    return { digits: digitsOf(limbs), fraction };
}

/** A number with as many digits behind the point. */
function exactFixed(magnitude, precision) {
    // JavaScript rounds a half up, and Rust to even. A number that is half between two has few binary digits.
    const mayBeHalf = precision > 100 || Number.isInteger(magnitude * Math.pow(2, precision + 1));
    if (!mayBeHalf && magnitude < 1e21) return magnitude.toFixed(precision);
    let { digits, fraction } = exactDecimal(magnitude);
    digits = digits.padStart(fraction + 1, "0");
    if (fraction > precision) {
        digits = roundDigits(digits, digits.length - (fraction - precision));
    } else {
        digits += "0".repeat(precision - fraction);
    }
    digits = digits.padStart(precision + 1, "0");
    return precision === 0 ? digits : digits.slice(0, -precision) + "." + digits.slice(-precision);
}

/** A number's first digits, one and `precision` more, and the exponent of the first. */
function exactExponential(magnitude, precision) {
    if (magnitude === 0) return { digits: "0".repeat(precision + 1), exponent: 0 };
    const { digits, fraction } = exactDecimal(magnitude);
    let exponent = digits.length - 1 - fraction;
    if (digits.length <= precision + 1) return { digits: digits.padEnd(precision + 1, "0"), exponent };
    let rounded = roundDigits(digits, precision + 1);
    if (rounded.length > precision + 1) {
        rounded = rounded.slice(0, -1);
        exponent++;
    }
    return { digits: rounded, exponent };
}

/** An address: hexadecimal with `0x`; in the alternate form with all of its digits. */
function renderPointer(address, spec) {
    const ALL_DIGITS = 2 + 16;
    return renderInteger(address.toBytes(), false, changed(spec, {
        alternate: true,
        zero: spec.zero || spec.alternate,
        width: spec.alternate && spec.width === null ? ALL_DIGITS : spec.width,
        precision: null,
        style: "LowerHex",
    }));
}

/** The hash of an address: `#` and all of its digits, so that nobody takes it for an address. */
function renderHash(hash, spec) {
    return pad("#" + digitsInBase(hash.toBytes(), 4).padStart(16, "0"), spec, "Right");
}

/** A text: the precision is the largest number of characters. */
function renderText(value, spec) {
    const kept = spec.precision === null ? value : Array.from(value).slice(0, spec.precision).join("");
    return pad(kept, spec, "Left");
}

/** Bytes as `{:?}` shows a slice, each byte by the same flags. `room` is what the text of the event may still take. */
function renderBytes(bytes, spec, room) {
    const isHex = spec.style === "DebugLowerHex" || spec.style === "DebugUpperHex";
    const element = changed(spec, { style: isHex ? spec.style : "Debug" });
    const [before, behind] = spec.alternate ? ["\n    ", ","] : ["", ""];
    let [out, size] = ["[", 1];
    for (let index = 0; index < bytes.length; index++) {
        if (size > room) return out;
        const one = (index !== 0 && !spec.alternate ? ", " : "") + before
            + renderInteger([bytes[index]], false, element) + behind;
        out += one;
        size += utf8Length(one);
    }
    return out + (spec.alternate && bytes.length !== 0 ? "\n" : "") + "]";
}

const hex = (bytes, digits) => Array.from(bytes, byte => byte.toString(16).padStart(digits, "0"));

/** A GUID in the registry's form, without braces. */
function renderGuid(bytes) {
    const digits = hex(bytes, 2);
    const backwards = (from, to) => digits.slice(from, to).reverse().join("");
    const parts = [backwards(0, 4), backwards(4, 6), backwards(6, 8)];
    return parts.concat(digits.slice(8, 10).join(""), digits.slice(10).join("")).join("-");
}
