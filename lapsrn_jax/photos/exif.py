"""Edits EXIF bytes so that they describe an upright, larger image, and copies EXIF from and to TIFF files.

All other bytes stay as the camera wrote them. One exception: maker notes with absolute file offsets become unreadable
to the maker's own tools when EXIF is copied from or to a TIFF.
"""

import dataclasses
import io
import re
import struct
from collections.abc import Collection
from typing import IO, Literal

ORIENTATION = 274
SIDEWAYS = range(5, 9)  # orientations that swap rows and columns; damaged files have larger numbers
_WIDTHS, _HEIGHTS = (256, 40962), (257, 40963)
_EXIF, _GPS, _INTEROP = 34665, 34853, 40965
_BELOW = ({_EXIF, _GPS}, {_INTEROP}, set[int]())  # tags that point to nested directories, by depth
# Tags of a TIFF that describe what it shows: title, maker, program, time, author, rights, rating, and Windows' own.
_DESCRIPTIVE = {270, 271, 272, 305, 306, 315, 316, 33432, 18246, 18249, *range(40091, 40096)}
_SHORT, _LONG, _LONG8 = 3, 4, 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MAX_VALUES = 2**24  # bytes of one directory's values
_DAMAGE = (ValueError, OverflowError, struct.error)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How a file stores a directory: the number of its entries, the entries, and the offset of the next directory.

    An entry has a head (tag, type, number of values), and then the values if they fit into an offset, or else theirs.
    """

    order: Literal["<", ">"]
    big: bool  # BigTIFF

    @property
    def number(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def head(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ" if self.big else "HHI"))

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def entry_size(self) -> int:
        return self.head.size + self.offset.size


@dataclasses.dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: "bytes | list[_Entry]"  # a list is a nested directory
    at: int  # the entry's offset in its file


def upright(exif: bytes) -> bytes | None:
    """Returns EXIF with orientation "upright" and without the outdated thumbnail, or None if `exif` is damaged."""
    try:
        patched = bytearray(_patched(exif, {ORIENTATION: 1}))
        layout, first = _header(io.BytesIO(exif))
        number = layout.number.unpack_from(patched, first)[0]
        thumbnail = first + layout.number.size + number * layout.entry_size  # the next directory is the thumbnail's
        layout.offset.pack_into(patched, thumbnail, 0)
    except _DAMAGE:
        return None
    return bytes(patched)


def resized(exif: bytes, width: int, height: int) -> bytes:
    """Returns EXIF from `upright` with the new image size in those of its fields that give a size."""
    return _patched(exif, dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height))


def upright_xmp(xmp: bytes) -> bytes:
    """Returns XMP without the orientation."""
    return re.sub(rb'tiff:Orientation="\d+"|<tiff:Orientation>\d+</tiff:Orientation>', b"", xmp)


def byte_order(exif: bytes) -> Literal["<", ">"]:
    """Returns the byte order of EXIF."""
    return _header(io.BytesIO(exif))[0].order


def from_tiff(file: IO[bytes], page: int | None = None) -> bytes | None:
    """Returns the descriptive tags of a TIFF's page as EXIF, or None if they are missing or damaged.

    Args:
      file: the TIFF file.
      page: offset of the page's directory, or None for the first page.
    """
    try:
        layout, first = _header(file)
        entries = _tree(file, layout, first if page is None else page, _DESCRIPTIVE | _BELOW[0])
    except _DAMAGE:
        return None
    order = layout.order
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + _packed(entries, _Layout(order, big=False), len(head)) if entries else None


def into_tiff(file: IO[bytes], exif: bytes, page: int = 0) -> None:
    """Adds EXIF to a page of a TIFF file of the same byte order, open for reading and writing.

    Args:
      file: the TIFF file.
      exif: the EXIF to add.
      page: number of the page, from 0.
    """
    blob = io.BytesIO(exif)
    added = _tree(blob, *_header(blob), _DESCRIPTIVE | _BELOW[0])
    layout, at = _header(file)
    pointer = 8 if layout.big else 4
    for _ in range(page):
        pointer, at = _next(file, layout, at)
    following = _next(file, layout, at)[1]
    tags = {entry.tag for entry in added}
    own = [entry for entry in _directory(file, layout, at) if entry.tag not in tags]
    end = file.seek(0, io.SEEK_END)
    end += file.write(b"\0" * (end % 2))
    file.write(_packed(own + added, layout, end, following))  # replaces the old directory, which stays unused
    file.seek(pointer)
    file.write(layout.offset.pack(end))


def _next(file: IO[bytes], layout: _Layout, at: int) -> tuple[int, int]:
    """Returns where the directory at offset `at` has the offset of the next one, and that offset."""
    file.seek(at)
    pointer = at + layout.number.size + _read(file, layout.number) * layout.entry_size
    file.seek(pointer)
    return pointer, _read(file, layout.offset)


def _read(file: IO[bytes], number: struct.Struct) -> int:
    return int(number.unpack(file.read(number.size))[0])


def _header(file: IO[bytes]) -> tuple[_Layout, int]:
    """Returns the layout and the offset of the first directory. Raises `ValueError` if there is no TIFF structure."""
    file.seek(0)
    head = file.read(16)
    order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
    version = struct.unpack_from(order + "H", head, 2)[0]
    if head[:2] not in (b"II", b"MM") or version not in (42, 43):
        raise ValueError("no TIFF structure")
    layout = _Layout(order, big=version == 43)
    return layout, layout.offset.unpack_from(head, 8 if layout.big else 4)[0]


def _directory(file: IO[bytes], layout: _Layout, at: int, tags: Collection[int] | None = None) -> list[_Entry]:
    """Returns the entries of the directory at offset `at`, only those with one of `tags` if given.

    Entries are skipped if their type is unknown, or if their values are missing or too large.
    """
    head, offset, size = layout.head, layout.offset, layout.entry_size
    file.seek(at)
    number = _read(file, layout.number)
    table = file.read(min(number, 65535) * size)
    entries, space = [], _MAX_VALUES
    for place in range(0, number * size, size):
        tag, kind, n = head.unpack_from(table, place)
        if kind not in _SIZES or (tags is not None and tag not in tags):
            continue
        length = _SIZES[kind] * n
        if length > space:
            continue
        space -= length
        value = table[place + head.size : place + size]
        if length > offset.size:
            file.seek(offset.unpack(value)[0])
            value = file.read(length)
        if len(value) >= length:
            entries.append(_Entry(tag, kind, n, value[:length], at + layout.number.size + place))
    return entries


def _tree(
    file: IO[bytes], layout: _Layout, at: int, tags: Collection[int] | None = None, depth: int = 0
) -> list[_Entry]:
    """Returns the entries as `_directory` does, with nested directories read as well. Skips damaged ones."""
    entries = []
    for entry in _directory(file, layout, at, tags):
        if entry.tag in _BELOW[depth]:
            try:
                below = _tree(file, layout, _number(entry, layout), depth=depth + 1)
            except _DAMAGE:
                continue
            entry = dataclasses.replace(entry, value=below)
        entries.append(entry)
    return entries


def _number(entry: _Entry, layout: _Layout) -> int:
    assert isinstance(entry.value, bytes)
    return int.from_bytes(entry.value, "little" if layout.order == "<" else "big")


def _packed(entries: list[_Entry], layout: _Layout, at: int, following: int = 0) -> bytes:
    """Packs a directory for offset `at`, followed by its values and nested directories. `following` is the next one."""
    head, offset = layout.head, layout.offset
    entries = sorted((entry for entry in entries if layout.big or entry.kind < _LONG8), key=lambda entry: entry.tag)
    behind = at + layout.number.size + len(entries) * layout.entry_size + offset.size
    table, values = b"", b""
    for entry in entries:
        if isinstance(entry.value, list):
            table += head.pack(entry.tag, _LONG8 if layout.big else _LONG, 1) + offset.pack(behind + len(values))
            values += _packed(entry.value, layout, behind + len(values))
        elif len(entry.value) > offset.size:
            table += head.pack(entry.tag, entry.kind, entry.count) + offset.pack(behind + len(values))
            values += entry.value + b"\0" * (len(entry.value) % 2)
        else:
            table += head.pack(entry.tag, entry.kind, entry.count) + entry.value.ljust(offset.size, b"\0")
    return layout.number.pack(len(entries)) + table + offset.pack(following) + values


def _patched(exif: bytes, numbers: dict[int, int]) -> bytes:
    """Returns EXIF with new numbers for those of the given tags that it has."""
    blob, patched = io.BytesIO(exif), bytearray(exif)
    layout, first = _header(blob)
    if layout.big:
        raise ValueError("no EXIF")
    entries = _directory(blob, layout, first, {*numbers, _EXIF})
    for entry in entries:
        if entry.tag == _EXIF:
            try:
                entries = entries + _directory(blob, layout, _number(entry, layout), numbers)
            except _DAMAGE:
                continue
    for entry in entries:
        if entry.tag in numbers and entry.kind in (_SHORT, _LONG) and entry.count == 1:
            number = numbers[entry.tag]
            kind = _LONG if number > 65535 else entry.kind
            value = struct.pack(layout.order + ("I" if kind == _LONG else "H"), number).ljust(4, b"\0")
            patched[entry.at : entry.at + 12] = struct.pack(layout.order + "HHI", entry.tag, kind, 1) + value
    return bytes(patched)
