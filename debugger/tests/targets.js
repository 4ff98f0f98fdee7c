// What a debugger can look at: bytes at an address, the memory of a process, a crash dump. Addresses are BigInts.
"use strict";

const fs = require("fs");

const PAGE = 4096n;

/** Memory that is an array of bytes at an address. */
class Mapped {
    constructor({ file, address }) {
        this.bytes = fs.readFileSync(file);
        this.start = BigInt(address);
    }

    read(address, size) {
        const offset = Number(address - this.start);
        if (offset < 0 || offset + size > this.bytes.length) throw new Error(`no memory at 0x${address.toString(16)}`);
        return this.bytes.subarray(offset, offset + size);
    }

    modules() {
        return [];
    }

    close() {}
}

/** The memory of a Linux process, with the image that exports a name as its driver: the rig. */
class Process {
    constructor({ pid, driver }) {
        this.file = fs.openSync(`/proc/${pid}/mem`, "r");
        this.pid = pid;
        this.driver = driver;
    }

    read(address, size) {
        const bytes = Buffer.alloc(size);
        if (fs.readSync(this.file, bytes, 0, size, address) !== size) throw new Error("no memory there");
        return bytes;
    }

    /** The rig maps an image by itself, so no list names it: the page that begins like an image and exports the anchor. */
    modules() {
        const lines = fs.readFileSync(`/proc/${this.pid}/maps`, "latin1").split("\n");
        const ranges = lines.map(line => /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line)).filter(range => range !== null);
        const images = [];
        for (const [, start, end] of ranges) {
            // Neighbours that are protected alike are one line.
            for (let page = BigInt("0x" + start); page < BigInt("0x" + end); page += PAGE) {
                if (this.exportsAnchor(page)) images.push(page);
            }
        }
        return images.map(base => ({ name: this.driver, base }));
    }

    exportsAnchor(base) {
        try {
            if (this.read(base, 2).toString("latin1") !== "MZ") return false;
            const header = base + BigInt(this.read(base + 0x3cn, 4).readUInt32LE());
            const size = this.read(header + 80n, 4).readUInt32LE();
            return this.read(base, size).includes("IrqlogAnchor\0");
        } catch (error) {
            return false;
        }
    }

    close() {
        fs.closeSync(this.file);
    }
}

/** A crash dump: virtual memory by its page tables, or by the blocks of a small dump. */
class Dump {
    constructor({ path, modules }) {
        this.path = path;
        this.bytes = fs.readFileSync(path);
        this.loaded = (modules || []).map(({ name, base }) => ({ name, base: BigInt(base) }));
        this.type = this.bytes.readUInt32LE(0xf98);
        this.isArm64 = this.bytes.readUInt32LE(0x30) === 0xaa64;
        this.pages = new Map();
        this.end = this.readDirectory();
    }

    number(offset) {
        return this.bytes.readBigUInt64LE(offset);
    }

    /** Where each page lies in the file; answers the offset behind the last. */
    readDirectory() {
        let at = 0x2000n;
        const add = (page, count) => {
            for (let index = 0n; index < count; index++, at += PAGE) {
                this.pages.set(page + index, at);
            }
        };
        if (this.type === 1) {
            for (let run = 0; run < this.bytes.readUInt32LE(0x88); run++) {
                add(this.number(0x98 + run * 16), this.number(0xa0 + run * 16));
            }
        } else if (this.type === 4) {
            at = BigInt(this.bytes.readUInt32LE(0x2004));
        } else if (this.type < 8) {
            at = this.number(0x2020);
            for (let bit = 0n; bit < this.number(0x2030); bit++) {
                if (this.bytes[0x2038 + Number(bit >> 3n)] >> Number(bit & 7n) & 1) add(bit, 1n);
            }
        } else {
            at = this.number(0x2018);
            for (let entry = 0x2030; entry < 0x2020 + Number(this.number(0x2010)); entry += 16) {
                add(this.number(entry), this.number(entry + 8));
            }
        }
        return Number(at);
    }

    physical(address, size) {
        const start = this.pages.get(address / PAGE);
        if (start === undefined) throw new Error("a page that the dump does not have");
        const offset = Number(start + address % PAGE);
        return this.bytes.subarray(offset, offset + size);
    }

    translate(address, levels) {
        let table = this.number(0x10) & ~0xfffn;
        const mask = this.isArm64 ? 0x0003fffffffff000n : 0x000ffffffffff000n;
        for (let level = levels - 1; level >= 0; level--) {
            const shift = 12n + 9n * BigInt(level);
            const entry = this.physical(table + (address >> shift & 511n) * 8n, 8).readBigUInt64LE();
            if ((entry & 1n) === 0n) throw new Error("not mapped");
            const isLarge = level > 0 && (this.isArm64 ? (entry & 2n) === 0n : (entry & 0x80n) !== 0n);
            if (level === 0 || isLarge) {
                const inside = (1n << shift) - 1n;
                return (entry & mask & ~inside) + (address & inside);
            }
            table = entry & mask;
        }
        throw new Error("not mapped");
    }

    read(address, size) {
        if (this.type === 4) return this.readBlock(address, size);
        // Windows says in the tables of the loader whether there are five levels; a dump of tests does not.
        try {
            return this.readVirtual(address, size, 4);
        } catch (error) {
            return this.readVirtual(address, size, 5);
        }
    }

    readVirtual(address, size, levels) {
        const parts = [];
        for (let done = 0; done < size;) {
            const at = address + BigInt(done);
            const here = Math.min(Number(PAGE - at % PAGE), size - done);
            parts.push(this.physical(this.translate(at, levels), here));
            done += here;
        }
        return Buffer.concat(parts);
    }

    readBlock(address, size) {
        const [list, count] = [this.bytes.readUInt32LE(0x2078), this.bytes.readUInt32LE(0x207c)];
        for (let at = list; at < list + count * 16; at += 16) {
            const offset = Number(address - this.number(at));
            if (offset >= 0 && offset + size <= this.bytes.readUInt32LE(at + 12)) {
                const start = this.bytes.readUInt32LE(at + 8) + offset;
                return this.bytes.subarray(start, start + size);
            }
        }
        throw new Error("no block has it");
    }

    modules() {
        return this.loaded;
    }

    /** What `.enumtag` prints of the dump. */
    enumtag() {
        const lines = [];
        let at = this.bytes.indexOf("DumpBlob", this.end, "latin1") + 16;
        while (at > 15 && at + 32 <= this.bytes.length && this.bytes.readUInt32LE(at) === 32) {
            const guid = this.bytes.subarray(at + 4, at + 20);
            const [size, before, behind] = [20, 24, 28].map(offset => this.bytes.readUInt32LE(at + offset));
            const start = at + 32 + before;
            lines.push(`{${guidText(guid)}} - 0x${size.toString(16)} bytes`);
            for (let row = 0; row < size; row += 16) {
                const bytes = this.bytes.subarray(start + row, start + Math.min(row + 16, size));
                const digits = Array.from(bytes, byte => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
                const text = Array.from(bytes, byte => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".").join("");
                lines.push(`  ${digits.padEnd(47)}  ${text}`);
            }
            lines.push("");
            at = start + size + behind;
        }
        return lines;
    }

    close() {}
}

function guidText(bytes) {
    const text = Buffer.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(at => bytes[at])).toString("hex");
    return text.toUpperCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The target that a request describes. */
function openTarget(request) {
    if (request.pid !== undefined) return new Process(request);
    return request.path !== undefined ? new Dump(request) : new Mapped(request);
}

module.exports = { openTarget, Dump };
