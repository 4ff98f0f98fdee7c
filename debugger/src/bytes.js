// Bytes: structures out of them, by the tables of the format, and the places that they come from.

/** Part of an array of bytes, as far as it is there. */
function slice(bytes, start, size) {
    return bytes.subarray(Math.min(start, bytes.length), Math.min(start + size, bytes.length));
}

function u16At(bytes, at) {
    return bytes[at] | bytes[at + 1] << 8;
}

function u32At(bytes, at) {
    return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
}

function u64At(bytes, at) {
    return new U64(u32At(bytes, at + 4), u32At(bytes, at));
}

const READERS = { u8: (bytes, at) => bytes[at], u16: u16At, u32: u32At, u64: u64At };
const WIDTHS = { u8: 1, u16: 2, u32: 4, u64: 8 };

/** A structure of the tables at an offset: an object with its fields. The bytes must be there. */
function structure(layout, bytes, start) {
    const value = {};
    for (const [name, offset, type, count] of layout.fields) {
        const read = index => READERS[type](bytes, start + offset + index * WIDTHS[type]);
        value[name] = count === undefined ? read(0) : Array.from({ length: count }, (_, index) => read(index));
    }
    return value;
}

/** Whether bytes begin with those of a mark. */
function startsWith(bytes, mark) {
    return bytes.length >= mark.length && mark.every((byte, at) => bytes[at] === byte);
}

/** Joins arrays of bytes. */
function concatenate(parts) {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

/** An array of bytes as a source: `read` gives the bytes from an offset on, as far as they are there. */
class Buffered {
    constructor(bytes) {
        this.bytes = bytes;
        this.length = bytes.length;
        /** Bytes that were asked for and are not there; they are zero. */
        this.missing = 0;
    }

    read(offset, size) {
        return slice(this.bytes, offset, size);
    }
}

const PAGE = 4096;

/** Memory of the target by virtual address. Pages that cannot be read are zero, and are counted. */
class TargetMemory {
    /** Bytes at an address, and the number of them that the target does not have. */
    read(address, size) {
        const whole = this.tryRead(address, size);
        if (whole !== null) return { bytes: whole, missing: 0 };
        const bytes = new Uint8Array(size);
        let [at, missing] = [0, 0];
        while (at < size) {
            const here = Math.min(PAGE - address.plus(at).modulo(PAGE), size - at);
            const part = this.tryRead(address.plus(at), here);
            if (part === null) {
                missing += here;
            } else {
                bytes.set(part, at);
            }
            at += here;
        }
        return { bytes, missing };
    }

    /** The same if all of them can be read; else null. */
    tryRead(address, size) {
        // A debugger over a network reads in packets anyway, and a request of many megabytes cannot be interrupted.
        const MOST = 1 << 20;
        const bytes = new Uint8Array(size);
        for (let at = 0; at < size; at += MOST) {
            const here = Math.min(MOST, size - at);
            try {
                bytes.set(host.memory.readMemoryValues(address.plus(at).toHost(), here, 1), at);
            } catch (error) {
                return null;
            }
        }
        return bytes;
    }

    u64(address) {
        const bytes = this.tryRead(address, 8);
        return bytes === null ? null : u64At(bytes, 0);
    }
}

/** A row of places in memory, one behind the other, as a source. */
class MemorySource {
    constructor(memory, places) {
        this.memory = memory;
        /** Each: address, or null for bytes that are zero; size; whether the bytes are missing. */
        this.places = places;
        this.length = places.reduce((sum, place) => sum + place.size, 0);
        this.missing = places.reduce((sum, place) => sum + (place.isMissing ? place.size : 0), 0);
    }

    read(offset, size) {
        const parts = [];
        let start = 0;
        for (const place of this.places) {
            const from = Math.max(offset, start);
            const to = Math.min(offset + size, start + place.size);
            if (from < to) {
                parts.push(this.readPlace(place, from - start, to - from));
            }
            start += place.size;
        }
        return parts.length === 1 ? parts[0] : concatenate(parts);
    }

    readPlace(place, offset, size) {
        if (place.address === null) return new Uint8Array(size);
        const { bytes, missing } = this.memory.read(place.address.plus(offset), size);
        this.missing += missing;
        return bytes;
    }

    /** All bytes at once, so that what is missing is counted once. */
    buffered() {
        const all = new Buffered(this.read(0, this.length));
        all.missing = this.missing;
        return all;
    }
}

/** A file of the debugger's machine as a source. */
class HostFile {
    constructor(path) {
        this.file = host.namespace.Debugger.Utility.FileSystem.OpenFile(path);
        const size = this.file.Size;
        this.length = typeof size === "number" ? size : U64.ofHost(size).toNumber();
    }

    close() {
        this.file.Close();
    }

    read(offset, size) {
        const there = Math.max(0, Math.min(size, this.length - offset));
        const bytes = new Uint8Array(there);
        const MOST = 1 << 16;
        for (let at = 0; at < there; at += MOST) {
            this.file.Position = U64.of(offset + at).toHost();
            let index = at;
            // Something that can be iterated and indexed, and is no array.
            for (const byte of this.file.ReadBytes(Math.min(MOST, there - at))) {
                bytes[index++] = byte;
            }
        }
        return bytes;
    }

    u32(offset) {
        const bytes = this.read(offset, 4);
        return bytes.length < 4 ? null : u32At(bytes, 0);
    }

    u64(offset) {
        const bytes = this.read(offset, 8);
        return bytes.length < 8 ? null : u64At(bytes, 0);
    }
}
