// The dump's own file: where its secondary data lie, and the memory in a small dump (crates/dump).
//
// The data model has no call for secondary data, so the file is read: the offsets are those of DUMP_HEADER64 and
// TRIAGE_DUMP64 in the SDK's mindumpdef.h. If the file cannot be read, `.enumtag` prints the same blocks, slowly.

/** Size of the dump's header: what follows is the kind's own. */
const DUMP_HEADER = 0x2000;
const TRIAGE = 4;
/** The most runs that the header of a full dump has room for: up to the context at 0x348. */
const HEADER_RUNS = Math.floor((0x348 - 0x98) / 16);

const ascii = text => Array.from(text, character => character.charCodeAt(0));

/** What a dump's file gives: blocks of secondary data, and blocks of memory; null if it is no dump of a kernel. */
function readDumpFile(path) {
    const file = new HostFile(path);
    try {
        if (file.length < DUMP_HEADER || !startsWith(file.read(0, 8), ascii("PAGEDU64"))) return null;
        const type = file.u32(0xf98);
        const end = type === TRIAGE ? file.u32(DUMP_HEADER + 4) : endOfPages(file, type);
        return {
            secondary: end === null ? [] : secondaryBlocks(file, end),
            memory: type === TRIAGE ? triageMemory(file) : [],
            isTriage: type === TRIAGE,
        };
    } finally {
        file.close();
    }
}

/** Offset behind the last page of memory, as the dump's directory says; null for a kind that has none. */
function endOfPages(file, type) {
    const number = offset => {
        const value = file.u64(offset);
        return value === null ? 0 : value.toNumber();
    };
    if (type === 1) {
        const runs = Math.min(file.u32(0x88), HEADER_RUNS);
        let pages = 0;
        for (let run = 0; run < runs; run++) {
            pages += number(0x98 + run * 16 + 8);
        }
        return DUMP_HEADER + pages * PAGE;
    }
    if (type >= 5 && type <= 7) {
        // The count in the header may be that of the bits, so bits are counted, as many as the file has.
        const bitmap = file.read(DUMP_HEADER + 0x38, Math.ceil(number(DUMP_HEADER + 0x30) / 8));
        return number(DUMP_HEADER + 0x20) + bitsIn(bitmap) * PAGE;
    }
    if (type >= 8 && type <= 10) {
        let pages = 0;
        // The metadata begin behind the 0x20 bytes of the directory's header, and the list 0x10 bytes further on.
        const list = file.read(DUMP_HEADER + 0x30, Math.max(0, number(DUMP_HEADER + 0x10) - 0x10));
        for (let at = 0; at + 16 <= list.length; at += 16) {
            const count = u64At(list, at + 8).toNumber();
            if (count === 0) break;
            pages += count;
        }
        return number(DUMP_HEADER + 0x18) + pages * PAGE;
    }
    return null;
}

function bitsIn(bytes) {
    let bits = 0;
    for (let byte of bytes) {
        for (; byte !== 0; byte &= byte - 1) {
            bits++;
        }
    }
    return bits;
}

/** The blocks under irqlog's GUID in the area that begins at an offset of the file, or behind it. */
function secondaryBlocks(file, from) {
    const AREA_HEADER = 0x10;
    const BLOCK_HEADER = 0x20;
    const start = areaStart(file, from, AREA_HEADER);
    if (start === null) return [];
    const blocks = [];
    let at = start + AREA_HEADER;
    for (;;) {
        const header = file.read(at, BLOCK_HEADER);
        if (header.length < BLOCK_HEADER || u32At(header, 0) !== BLOCK_HEADER) return blocks;
        const [size, before, behind] = [20, 24, 28].map(offset => u32At(header, offset));
        const data = at + BLOCK_HEADER + before;
        if (startsWith(slice(header, 4, 16), WIRE.guid)) blocks.push(file.read(data, size));
        at = data + size + behind;
    }
}

/** Where the area of secondary data begins. */
function areaStart(file, from, headerSize) {
    const MARK = ascii("DumpBlob");
    const WINDOW = 1 << 16;
    for (let at = from; at + MARK.length <= file.length; at += WINDOW) {
        // A mark may lie across the end of a window.
        const window = file.read(at, WINDOW + MARK.length + 3);
        for (let found = window.indexOf(MARK[0]); found !== -1 && found < WINDOW; found = window.indexOf(MARK[0], found + 1)) {
            const isMark = startsWith(slice(window, found, MARK.length), MARK);
            if (isMark && file.u32(at + found + MARK.length) === headerSize) return at + found;
        }
    }
    return null;
}

/** The blocks of memory in a small dump: address and bytes. */
function triageMemory(file) {
    const [offset, count] = [file.u32(DUMP_HEADER + 0x78), file.u32(DUMP_HEADER + 0x7c)];
    if (offset === null || count === null) return [];
    const list = file.read(offset, count * 16);
    const blocks = [];
    for (let at = 0; at + 16 <= list.length; at += 16) {
        blocks.push({ address: u64At(list, at), bytes: file.read(u32At(list, at + 8), u32At(list, at + 12)) });
    }
    return blocks;
}

/** The same blocks of secondary data out of what `.enumtag` prints: a line with GUID and size, then lines of bytes. */
function blocksOfEnumtag() {
    const guid = renderGuid(WIRE.guid);
    const blocks = [];
    let block = null;
    for (const line of host.namespace.Debugger.Utility.Control.ExecuteCommand(".enumtag")) {
        const heading = /^\s*\{([0-9a-fA-F-]+)\}\s+-\s+0x([0-9a-fA-F]+) bytes/.exec(line);
        if (heading !== null) {
            const isOurs = heading[1].toLowerCase() === guid;
            block = isOurs ? { size: parseInt(heading[2], 16), bytes: [] } : null;
            if (isOurs) blocks.push(block);
            continue;
        }
        const digits = /^\s*((?:[0-9a-fA-F]{2} ){0,15}[0-9a-fA-F]{2})(?: |$)/.exec(line);
        if (block === null || digits === null) continue;
        // The characters behind the bytes of a short last line may look like digits: the size says where it ends.
        const bytes = digits[1].split(" ").slice(0, block.size - block.bytes.length);
        bytes.forEach(byte => block.bytes.push(parseInt(byte, 16)));
    }
    return blocks.map(({ bytes }) => Uint8Array.from(bytes));
}
