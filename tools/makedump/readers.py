"""Reads a dump with a reader that is not irqlog's, and follows irqlog's anchor to the image.

    readers.py kdmp|leechcore DUMP ANCHOR-ADDRESS IMAGE-FILE

Prints "found" if the bytes that the anchor leads to are those of the file, else why not. kdmp-parser translates
addresses of x64 itself; LeechCore knows physical memory alone, so the page tables are walked here.
"""

import struct
import sys

PAGE = 4096
DIRECTORY_TABLE_BASE = 0x10
MACHINE = 0x30
ARM64 = 0xAA64


class Kdmp:
    """kdmp-parser."""

    def __init__(self, path):
        import kdmp_parser

        self.dump = kdmp_parser.KernelDumpParser(path)

    def page(self, address):
        return self.dump.read_virtual_page(address)


class LeechCore:
    """LeechCore, with four levels of page tables."""

    def __init__(self, path):
        import leechcorepyc

        with open(path, "rb") as file:
            header = file.read(0x2000)
        is_arm64 = struct.unpack_from("<I", header, MACHINE)[0] == ARM64
        self.mask = 0x0003FFFFFFFFF000 if is_arm64 else 0x000FFFFFFFFFF000
        self.top = struct.unpack_from("<Q", header, DIRECTORY_TABLE_BASE)[0] & ~0xFFF
        self.core = leechcorepyc.LeechCore(path)

    def page(self, address):
        table = self.top
        for level in (3, 2, 1, 0):
            index = address >> (12 + 9 * level) & 511
            # LeechCore refuses some reads that are shorter than a page.
            entry = struct.unpack_from("<Q", self.core.read(table, PAGE), index * 8)[0]
            if not entry & 1:
                return None
            table = entry & self.mask
        return self.core.read(table, PAGE)


def read(reader, address, size):
    """Bytes at a virtual address; those of a page that is not there are missing."""
    data = bytearray()
    while size > 0:
        page = reader.page(address & ~(PAGE - 1))
        if page is None:
            return data
        here = min(PAGE - address % PAGE, size)
        data += page[address % PAGE : address % PAGE + here]
        address, size = address + here, size - here
    return data


def follow(reader, anchor, wanted):
    found = bytes(read(reader, anchor, 56))
    if found[:8] != b"IRQANCHR":
        return "the anchor is not at its address"
    image, size = struct.unpack_from("<QQ", found, 16)
    if size != len(wanted):
        return f"the anchor says {size} bytes"
    return "found" if bytes(read(reader, image, size)) == wanted else "the image has other bytes"


def main():
    name, path, anchor, image = sys.argv[1:]
    with open(image, "rb") as file:
        wanted = file.read()
    try:
        print(follow({"kdmp": Kdmp, "leechcore": LeechCore}[name](path), int(anchor, 16), wanted))
    except Exception as error:  # Each reader has errors of its own; that it refuses the file is what is told.
        print(f"it does not read this file: {type(error).__name__}")


main()
