// Numbers: 64 bits as a pair of 32, and integers of any width as decimal digits.

/** An unsigned number of 64 bits; all arithmetic wraps. */
class U64 {
    constructor(high, low) {
        this.high = high >>> 0;
        this.low = low >>> 0;
    }

    /** A number below 2^53 as one of 64 bits. */
    static of(number) {
        return new U64(Math.floor(number / 0x100000000), number % 0x100000000);
    }

    /** What the host calls an address: a number, a host.Int64, or a pointer object. */
    static ofHost(value) {
        if (typeof value === "number") {
            // An address in the upper half may come as a negative number.
            return value < 0 ? new U64(0, 0).sub(U64.of(-value)) : U64.of(value);
        }
        const number = value.address === undefined ? value : value.address;
        return new U64(number.getHighPart(), number.getLowPart());
    }

    add(other) {
        const low = this.low + other.low;
        return new U64(this.high + other.high + (low > 0xffffffff ? 1 : 0), low);
    }

    sub(other) {
        return new U64(this.high - other.high - (this.low < other.low ? 1 : 0), this.low - other.low);
    }

    plus(number) {
        return this.add(U64.of(number));
    }

    /** Negative, zero or positive, as this number is below, equal to or above the other. */
    compare(other) {
        return this.high - other.high || this.low - other.low;
    }

    equals(other) {
        return this.compare(other) === 0;
    }

    get isZero() {
        return this.high === 0 && this.low === 0;
    }

    /** Whether it is negative when it is read as a signed number. */
    get isNegative() {
        return this.high >= 0x80000000;
    }

    /** The number, rounded once if it is beyond 2^53. */
    toNumber() {
        return this.high * 0x100000000 + this.low;
    }

    /** The same for a signed number. */
    toSigned() {
        return this.isNegative ? -new U64(0, 0).sub(this).toNumber() : this.toNumber();
    }

    /** The number modulo a power of two of at most 2^53. */
    modulo(power) {
        const FOUR_GI = 0x100000000;
        return power <= FOUR_GI ? this.low % power : this.high % (power / FOUR_GI) * FOUR_GI + this.low;
    }

    /** Eight times the number, or the largest there is. */
    timesEight() {
        return this.high >= 0x20000000 ? U64_MAX : new U64(this.high << 3 | this.low >>> 29, this.low << 3);
    }

    get isPowerOfTwo() {
        const isPower = word => word !== 0 && (word & word - 1) === 0;
        return this.high === 0 ? isPower(this.low) : this.low === 0 && isPower(this.high);
    }

    toHost() {
        return new host.Int64(this.low, this.high);
    }

    toBytes() {
        const bytes = [];
        for (const word of [this.low, this.high]) {
            bytes.push(word & 0xff, word >>> 8 & 0xff, word >>> 16 & 0xff, word >>> 24);
        }
        return bytes;
    }

    /** Decimal digits. */
    toString() {
        return decimal(this.toBytes());
    }
}

const U64_ZERO = new U64(0, 0);
const U64_MAX = new U64(0xffffffff, 0xffffffff);

/** Limb of a large number: seven decimal digits, so that a limb times 2^24 stays exact. */
const LIMB = 10000000;

/** A large number, multiplied and increased: limbs, the lowest first. */
function multiply(limbs, factor, carry) {
    for (let at = 0; at < limbs.length; at++) {
        const value = limbs[at] * factor + carry;
        limbs[at] = value % LIMB;
        carry = Math.floor(value / LIMB);
    }
    while (carry !== 0) {
        limbs.push(carry % LIMB);
        carry = Math.floor(carry / LIMB);
    }
}

/** The decimal digits of a large number; "0" for zero. */
function digitsOf(limbs) {
    let digits = "";
    for (const limb of limbs) {
        digits = String(limb).padStart(7, "0") + digits;
    }
    digits = digits.replace(/^0+/, "");
    return digits === "" ? "0" : digits;
}

/** The decimal digits of an unsigned number, given as bytes, the lowest first. */
function decimal(bytes) {
    const limbs = [];
    for (let at = bytes.length - 1; at >= 0; at--) {
        multiply(limbs, 256, bytes[at]);
    }
    return digitsOf(limbs);
}

/** The digits of an unsigned number in a base of 2, 8 or 16; "0" for zero. */
function digitsInBase(bytes, bitsOfDigit) {
    let digits = "";
    const bits = bytes.length * 8;
    for (let at = 0; at < bits; at += bitsOfDigit) {
        let digit = 0;
        for (let bit = 0; bit < bitsOfDigit && at + bit < bits; bit++) {
            digit |= (bytes[at + bit >> 3] >> (at + bit & 7) & 1) << bit;
        }
        digits = digit.toString(16) + digits;
    }
    digits = digits.replace(/^0+/, "");
    return digits === "" ? "0" : digits;
}

/** The two's complement of a number that is given as bytes. */
function negated(bytes) {
    let carry = 1;
    return bytes.map(byte => {
        const value = (byte ^ 0xff) + carry;
        carry = value >> 8;
        return value & 0xff;
    });
}

/** Rounds a row of decimal digits to the first `count` of them, half to even. Answers the digits; one more if they carry. */
function roundDigits(digits, count) {
    const kept = digits.slice(0, count);
    const next = digits.charCodeAt(count) - 48;
    const isExact = /^0*$/.test(digits.slice(count + 1));
    const isOdd = count > 0 && (kept.charCodeAt(count - 1) & 1) === 1;
    if (next < 5 || next === 5 && isExact && !isOdd) {
        return kept;
    }
    let at = count - 1;
    while (at >= 0 && kept[at] === "9") {
        at--;
    }
    const zeros = "0".repeat(count - 1 - at);
    return at < 0 ? "1" + zeros : kept.slice(0, at) + String(Number(kept[at]) + 1) + zeros;
}
