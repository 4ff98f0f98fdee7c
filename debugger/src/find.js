// Finds the log: in the secondary data of a dump, in memory through the anchor, or at an address (crates/dump/src/find.rs).

/** The largest image that is read out of memory, in bytes. */
const MOST_IMAGE = 2 * 1024 * 1024 * 1024;
/** The most pieces of an image. */
const MOST_PIECES = 2048;
/** Up to this size the image in a dump is read as a whole, so that all that the dump lacks of it is known. */
const MOST_WHOLE = 64 << 20;

const BY = {
    secondary: "secondary data",
    anchor: "memory, through the anchor of irqlog.sys",
    scan: "memory, by a scan for the image",
    both: "secondary data and memory",
    image: "the image at the given address",
};

/** A log with where it was found and what is missing of it. `missing` counts bytes of memory that are not there. */
function found(log, origin, cut, source) {
    return { log, origin, cut, source };
}

/** The log of the current target; `address`, if there is one, is that of an image or of an anchor. */
function findLog(address) {
    const memory = new TargetMemory();
    if (address !== undefined) return atAddress(memory, U64.ofHost(address));
    const path = dumpPath();
    if (path === null) {
        const live = byAnchor(memory, anchorOfDriver(memory), false);
        if (live === null) throw new LogError(whyNoAnchor());
        return live;
    }
    return inDump(memory, path);
}

/** The path of the dump that is debugged; null for a running target. */
function dumpPath() {
    try {
        const path = host.currentSession.Attributes.Target.Details.DumpFileName;
        return typeof path === "string" && path !== "" ? path : null;
    } catch (error) {
        return null;
    }
}

function inDump(memory, path) {
    let file = null;
    try {
        file = readDumpFile(path);
    } catch (error) {
        // The file may be on another machine, or in an archive: `.enumtag` knows the blocks all the same.
    }
    const blocks = file === null ? blocksOfEnumtag() : file.secondary;
    const small = file === null ? [] : file.memory;
    // In a small dump the callback may have added a part as memory.
    const parts = small.map(block => block.bytes).filter(bytes => startsWith(bytes, WIRE.magic.part));
    const ours = blocks.concat(parts);
    let refused = null;
    let newest = null;
    if (ours.length > 0) {
        tryTo(() => { newest = newestOf(joinBlocks(ours)); }, error => { refused = error; });
    }
    if (newest !== null && isWhole(newest)) return found(newest.log, BY.secondary, newest.cut, null);
    const inMemory = file !== null && file.isTriage ? inSmall(small) : byAnchor(memory, anchorOfDriver(memory), true);
    if (newest === null) {
        if (inMemory !== null) return inMemory;
        throw refused === null ? new LogError(whyNoLog()) : refused;
    }
    const startOf = log => log.tables.header.start_id;
    if (inMemory !== null && startOf(inMemory.log).equals(startOf(newest.log))) {
        return found(unite(newest.log, inMemory.log), BY.both, newest.cut, inMemory.source);
    }
    return found(newest.log, BY.secondary, newest.cut, null);
}

/** The log of the newest start; of one start the whole one, else that with most records. */
function newestOf(logs) {
    const key = ({ log, cut }) => [log.tables.header.time_base, U64.of(isWhole({ cut }) ? 1 : 0), cut.records];
    return logs.reduce((best, one) => {
        const [first, second] = [key(best), key(one)];
        const order = first.map((value, at) => value.compare(second[at])).find(order => order !== 0);
        return order === undefined || order < 0 ? one : best;
    });
}

/** The size of the image that begins here, or null if none does. */
function plausible(bytes) {
    const layout = WIRE.structures.ImageHeader;
    if (bytes.length < layout.size || !startsWith(bytes, WIRE.magic.image)) return null;
    const header = structure(layout, bytes, 0);
    const total = header.total_size.toNumber();
    const isSane = header.header_size >= layout.size && total >= layout.size && total <= MOST_IMAGE
        && header.lanes_offset < total;
    return isSane ? total : null;
}

/** The image in the blocks of a small dump: where the anchor says, or a block that begins like one. */
function inSmall(blocks) {
    const layout = WIRE.structures.Anchor;
    const large = blocks.find(block => block.bytes.length >= layout.size);
    if (large !== undefined && startsWith(large.bytes, WIRE.magic.anchor)) {
        const byBlocks = byAnchor(new BlockMemory(blocks), structure(layout, large.bytes, 0), true);
        if (byBlocks !== null) return byBlocks;
    }
    const block = blocks.find(({ bytes }) => plausible(bytes) !== null);
    if (block === undefined) return null;
    const source = new Buffered(block.bytes);
    return found(Log.open(source), BY.scan, NOTHING_CUT, source);
}

/** The memory in a small dump, by virtual address; what is asked for lies in one block, or is not there. */
class BlockMemory {
    constructor(blocks) {
        this.blocks = blocks;
    }

    tryRead(address, size) {
        for (const block of this.blocks) {
            const offset = address.sub(block.address);
            if (offset.plus(size).compare(U64.of(block.bytes.length)) <= 0 && offset.compare(address) <= 0) {
                return slice(block.bytes, offset.toNumber(), size);
            }
        }
        return null;
    }

    read(address, size) {
        const bytes = this.tryRead(address, size);
        return bytes === null ? { bytes: new Uint8Array(size), missing: size } : { bytes, missing: 0 };
    }

    u64(address) {
        const bytes = this.tryRead(address, 8);
        return bytes === null ? null : u64At(bytes, 0);
    }
}

/** The log that an anchor leads to, with the pieces behind the image; null if there is none. */
function byAnchor(memory, anchor, isDump) {
    if (anchor === null || anchor.image.isZero) return null;
    const layout = WIRE.structures.ImageHeader;
    const size = anchor.image_size.toNumber();
    if (size < layout.size || size > MOST_IMAGE) return null;
    const start = memory.tryRead(anchor.image, layout.size);
    const total = start === null ? null : plausible(start);
    if (total === null) return null;
    const places = [{ address: anchor.image, size, isMissing: false }];
    const pieceSize = anchor.piece_size.toNumber();
    const count = Math.min(anchor.piece_count.toNumber(), MOST_PIECES);
    for (let [index, length] = [0, size]; length < total && index < count; index++) {
        const piece = memory.u64(anchor.pieces.plus(index * 8));
        const here = Math.min(pieceSize, total - length);
        const isThere = piece !== null && !piece.isZero;
        places.push({ address: isThere ? piece : null, size: here, isMissing: piece === null });
        length += here;
    }
    return open(new MemorySource(memory, places), BY.anchor, isDump);
}

function open(source, origin, isDump) {
    // What a dump lacks is counted, which takes the whole image; a running target is asked for what is needed only.
    const whole = isDump && source.length <= MOST_WHOLE ? source.buffered() : source;
    return found(Log.open(whole), origin, NOTHING_CUT, whole);
}

/** The log at an address that the user gives. */
function atAddress(memory, address) {
    const { ImageHeader, Anchor } = WIRE.structures;
    const isDump = dumpPath() !== null;
    const anchor = readAnchor(memory, address);
    if (anchor !== null) {
        const log = byAnchor(memory, anchor, isDump);
        if (log !== null) return log;
        throw new LogError(`the anchor at ${hexOf(address)} leads to no image that can be read`);
    }
    const start = memory.tryRead(address, ImageHeader.size);
    if (start === null) throw new LogError(`the target's memory at ${hexOf(address)} cannot be read`);
    const total = plausible(start);
    if (total === null) {
        throw new LogError(`at ${hexOf(address)} there is neither an image of irqlog nor its anchor: an image begins with `
            + `IRQLOG, an anchor of ${Anchor.size} bytes with IRQANCHR`);
    }
    return open(new MemorySource(memory, [{ address, size: total, isMissing: false }]), BY.image, isDump);
}

const hexOf = address => renderPointer(address, PLAIN_SPEC);

/** The anchor at an address; null if there is none. */
function readAnchor(memory, address) {
    const layout = WIRE.structures.Anchor;
    const bytes = memory.tryRead(address, layout.size);
    return bytes !== null && startsWith(bytes, WIRE.magic.anchor) ? structure(layout, bytes, 0) : null;
}

/** The anchor of the irqlog.sys that is loaded: by its symbol, else by the export table in the driver's memory. */
function anchorOfDriver(memory) {
    const base = driverBase();
    const waysToIt = [
        () => U64.ofHost(host.getModuleSymbolAddress(WIRE.driver, WIRE.anchorName)),
        () => base === null ? null : exportedAddress(memory, base, WIRE.anchorName),
    ];
    for (const way of waysToIt) {
        let address = null;
        try {
            address = way();
        } catch (error) {
            // Without symbols the first way throws.
        }
        const anchor = address === null ? null : readAnchor(memory, address);
        if (anchor !== null) return anchor;
    }
    return null;
}

/** Where irqlog.sys is loaded; null if it is not. */
function driverBase() {
    for (const module of loadedModules()) {
        const file = String(module.Name).toLowerCase().split(/[\\/]/).pop();
        if (file.replace(/\.sys$/, "") === WIRE.driver) return U64.ofHost(module.BaseAddress);
    }
    return null;
}

function loadedModules() {
    try {
        return host.currentProcess.Modules;
    } catch (error) {
        // A target without a list of modules.
        return [];
    }
}

/** The address of an exported name, out of the image's own headers ("PE Format", learn.microsoft.com); or null. */
function exportedAddress(memory, base, name) {
    const read = (offset, size) => memory.tryRead(base.plus(offset), size);
    const u32 = offset => {
        const bytes = read(offset, 4);
        return bytes === null ? 0 : u32At(bytes, 0);
    };
    const MOST_NAMES = 4096;
    // Behind signature and file header, the export directory is the first of the optional header of PE32+.
    const directory = u32(u32(0x3c) + 24 + 112);
    if (directory === 0) return null;
    const names = Math.min(u32(directory + 24), MOST_NAMES);
    const [functions, nameTable, ordinals] = [28, 32, 36].map(offset => u32(directory + offset));
    const wanted = ascii(name + "\0");
    for (let index = 0; index < names; index++) {
        const bytes = read(u32(nameTable + index * 4), wanted.length);
        if (bytes === null || !startsWith(bytes, wanted)) continue;
        const ordinal = read(ordinals + index * 2, 2);
        return ordinal === null ? null : base.plus(u32(functions + u16At(ordinal, 0) * 4));
    }
    return null;
}

function whyNoAnchor() {
    return driverBase() === null
        ? "irqlog.sys is not loaded in this target (lm m irqlog); give the address of an image: !irqlog ADDRESS"
        : "irqlog.sys is loaded, and its IrqlogAnchor leads to no image: the driver has not started, or it is one from "
            + "before format 1.2; give the address of its image: !irqlog ADDRESS";
}

function whyNoLog() {
    return "this dump has no log of irqlog under its GUID in the secondary data, and none that the anchor of irqlog.sys "
        + "leads to. `irqlog read --file DUMP` scans the dump's whole memory, which this script does not; or give the "
        + "address of the image: !irqlog ADDRESS";
}
