"""Files in the container of Office before 2007: a small file system of sectors."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTOR, _SMALL = 512, 64
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
Tree = dict[str, "bytes | Tree"]


@dataclass
class _Entries:
    rows: list[tuple[str, int, int, int, int, int]] = field(default_factory=list)  # name kind right child start size
    body: bytearray = field(default_factory=bytearray)
    chains: list[int] = field(default_factory=list)  # sectors of each stream

    def add(self, tree: Tree) -> int:
        """Write the members of one folder as a list by their right links, and give the first one's number."""
        first = len(self.rows)
        names = list(tree)
        self.rows += [("", 0, _NONE, _NONE, 0, 0)] * len(names)
        for place, name in enumerate(names, first):
            right = place + 1 if place + 1 < first + len(names) else _NONE
            held = tree[name]
            if isinstance(held, bytes):
                start = len(self.body) // _SMALL
                self.body += held + bytes(-len(held) % _SMALL)
                self.chains.append(len(self.body) // _SMALL - start)
                self.rows[place] = (name, 2, right, _NONE, start, len(held))
            else:
                self.rows[place] = (name, 1, right, self.add(held) if held else _NONE, 0, 0)
        return first


def compound(tree: Tree) -> bytes:
    """Write folders (dicts) and streams (bytes below 4 kB, which share one stream of small sectors)."""
    entries = _Entries()
    entries.rows.append(("Root Entry", 5, _NONE, 1, 0, 0))
    entries.add(tree)
    entries.rows[0] = ("Root Entry", 5, _NONE, 1, 0, len(entries.body))
    small = _sector(_links(entries.chains))
    body = entries.body + bytes(-len(entries.body) % _SECTOR)
    directory = b"".join(map(_entry, entries.rows))
    directory += bytes(-len(directory) % _SECTOR)
    chains = [len(body) // _SECTOR, 1, len(directory) // _SECTOR]
    fat = _sector([*_links(chains), _FAT])
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, bytes(6), 0, 1),
        *(chains[0] + 1, 0, 4096, chains[0], 1, _END, 0),
    )
    return header + struct.pack("<109I", sum(chains), *[_FREE] * 108) + bytes(body) + small + directory + fat


def _links(chains: list[int]) -> list[int]:
    """Link each stream's sectors, one stream behind the other."""
    links: list[int] = []
    for length in chains:
        links += [*range(len(links) + 1, len(links) + length), _END]
    return links


def _sector(links: list[int]) -> bytes:
    assert len(links) <= _SECTOR // 4, "one sector of links is all that these tests need"
    return struct.pack(f"<{len(links)}I", *links).ljust(_SECTOR, b"\xff")


def _entry(row: tuple[str, int, int, int, int, int]) -> bytes:
    name, kind, right, child, start, size = row
    encoded = name.encode("utf-16-le")
    head = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded) + 2, kind, 1)
    return head + struct.pack("<III", _NONE, right, child) + bytes(36) + struct.pack("<IQ", start, size)


def outlook(
    subject: str, body: str, sender: str, recipient: str, attachments: Mapping[str, bytes] | None = None
) -> bytes:
    """An Outlook message with one recipient, and files of below 4 kB."""

    def text(*found: tuple[int, str]) -> Tree:
        rows = b"".join(struct.pack("<IIQ", (number << 16) | 0x1F, 6, len(value) * 2 + 2) for number, value in found)
        streams: Tree = {f"__substg1.0_{number:04X}001F": value.encode("utf-16-le") for number, value in found}
        return {"rows": rows, **streams}

    message = text((0x0037, subject), (0x1000, body), (0x0C1A, sender), (0x0C1F, f"{sender.lower()}@example.org"))
    to = text((0x3001, recipient), (0x39FE, f"{recipient.lower()}@example.org"))
    files = attachments or {}
    head = struct.pack("<8x4I8x", 1, len(files), 1, len(files))
    unicode_mark = struct.pack("<IIQ", (0x340D << 16) | 3, 6, 0x40000)
    to_rows, message_rows = to.pop("rows"), message.pop("rows")
    assert isinstance(to_rows, bytes)
    assert isinstance(message_rows, bytes)
    attached: Tree = {}
    for number, (name, content) in enumerate(files.items()):
        held = text((0x3707, name))
        rows = held.pop("rows")
        assert isinstance(rows, bytes)
        rows += struct.pack("<IIQ", (0x3701 << 16) | 0x0102, 6, len(content))
        rows += struct.pack("<IIQ", (0x3705 << 16) | 3, 6, 1)
        properties = bytes(8) + unicode_mark + rows
        streams: Tree = {"__properties_version1.0": properties, **held, "__substg1.0_37010102": content}
        attached[f"__attach_version1.0_#{number:08X}"] = streams
    return compound(
        {
            "__properties_version1.0": head + unicode_mark + message_rows,
            **message,
            "__recip_version1.0_#00000000": {"__properties_version1.0": bytes(8) + unicode_mark + to_rows, **to},
            **attached,
        }
    )
