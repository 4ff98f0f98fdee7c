// host.Int64: a number of 64 bits that refuses to become a JavaScript number where digits would be lost.
"use strict";

const MASK = (1n << 64n) - 1n;

class Int64 {
    /** One argument is the value; with two the first is the low and the second the high half. */
    constructor(value, high) {
        this.bits = high === undefined ? Int64.bitsOf(value) : Int64.half(value) | Int64.half(high) << 32n;
    }

    static half(value) {
        if (typeof value !== "number" || !Number.isInteger(value)) {
            throw new TypeError(`half of an Int64 has to be an integer, not ${value}`);
        }
        return BigInt(value) & 0xffffffffn;
    }

    static bitsOf(value) {
        if (value instanceof Int64) return value.bits;
        if (typeof value !== "number" || !Number.isSafeInteger(value)) {
            throw new TypeError(`an Int64 is made of an integer of at most 53 bits, not of ${value}`);
        }
        return BigInt(value) & MASK;
    }

    static of(bits) {
        const made = new Int64(0);
        made.bits = bits & MASK;
        return made;
    }

    asNumber() {
        if (this.bits > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError("the Int64 has more than 53 bits");
        return Number(this.bits);
    }

    valueOf() {
        return this.asNumber();
    }

    getLowPart() {
        return Number(this.bits & 0xffffffffn);
    }

    getHighPart() {
        return Number(this.bits >> 32n);
    }

    toString(radix) {
        const digits = this.bits.toString(radix === undefined ? 10 : radix);
        return radix === 16 ? "0x" + digits : digits;
    }
}

module.exports = { Int64 };
