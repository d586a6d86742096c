"""Finds what image files hold besides the samples and the metadata that Pillow reads."""

import io
import re
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

import PIL.ImageCms

from lapsrn_jax.photos.decoding import png_depth

COLOUR_CHUNKS = (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"mDCV", b"cLLI")
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
# Text that holds EXIF or XMP. These are read and written on their own.
_NOT_TEXT = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"Raw profile type APP1\0")
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)  # in a JPEG's pixels, all but the restarts
_SEGMENTS = range(0xC0, 0xFF)  # markers with a length and content
_END = 0xD9
_GEOREFERENCES = {33550, 33922, 34264, 34735}  # tags
_COMMENT, _GEOREFERENCE = "comment", "georeference"
# Formats that usually lose detail. Only a WebP file says whether it is lossless, and Pillow does not pass it on.
LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "HEIF")
METADATA = (_COMMENT, _GEOREFERENCE)  # names among a photo's `dropped`; the others are images
_MAX_CHUNKS = 2**22  # bytes
_PHOTOSHOP, _IPTC = b"Photoshop 3.0\0", 0x0404  # a segment of JPEG, and IPTC's number among its resources
_SRGB_GAMMA = range(45000, 46000)  # 100,000 / 2.2, as most programs round it
_SRGB = (1, 13)  # primaries and transfer function, as H.273 numbers them
_HDR = {16: "PQ", 18: "HLG"}  # transfer functions

Chunks = tuple[tuple[bytes, bytes], ...]


def extras(file: BinaryIO, format: str, info: Any) -> dict[str, Any]:
    """Returns the fields "chunks", "lossy", "iptc" and "dropped" of a `Photo`.

    Args:
      file: the image file.
      format: its format under Pillow's name; "MPO" for a JPEG with further images.
      info: Pillow's `info` of the image.
    """
    if format == "PNG":
        deep = "loop" in info and png_depth(file) == 16  # Pillow reads animations with 8 bits per sample
        return {"chunks": _png_chunks(file), "dropped": ("bits beyond 8 per sample",) if deep else ()}
    if format == "WEBP":
        return {"lossy": not _webp_is_lossless(file)}
    dropped = []
    if format in ("JPEG", "MPO"):
        dropped += [_COMMENT] if info.get("comment") else []
        dropped += _after_jpeg(file)
    if format == "HEIF":
        depth = info.get("bit_depth", 8)
        dropped += [f"bits beyond 8 of {depth} per sample"] if depth > 8 else []
        dropped += ["further images"] if info.get("aux") or info.get("depth_images") else []
    if format == "AVIF":
        dropped += _avif_limits(file)
    iptc = (info.get("photoshop") or {}).get(_IPTC) or info.get("iptc")
    return {"iptc": iptc if isinstance(iptc, bytes) else None, "dropped": tuple(dropped), "lossy": format in LOSSY}


def iptc_segment(iptc: bytes) -> bytes:
    """Returns the JPEG segment that holds IPTC data.

    Raises:
      struct.error: the data exceed the 64 KiB of a segment.
    """
    resource = b"8BIM" + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", 2 + len(_PHOTOSHOP + resource)) + _PHOTOSHOP + resource


def lost_outside_of_png(chunks: Chunks, profile: bytes | None) -> list[str]:
    """Names what other formats lose of PNG's chunks. Colour that is sRGB, or that a profile describes, is no loss."""
    found = dict(chunks)
    lost = ["text"] if any(kind in TEXT_CHUNKS for kind in found) else []
    if profile or b"sRGB" in found:
        return lost
    if b"cICP" in found and tuple(found[b"cICP"][:2]) != _SRGB:
        lost.append("cICP colour")
    if b"gAMA" in found and int.from_bytes(found[b"gAMA"][:4], "big") not in _SRGB_GAMMA:
        lost.append("gamma")
    return lost


def is_srgb(profile: bytes) -> bool:
    """Whether the name of an ICC profile says that it is sRGB."""
    try:
        name = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.profile_description
    except (OSError, ValueError):
        return False
    return bool(name and name.startswith("sRGB"))


def _png_chunks(file: BinaryIO) -> Chunks:
    """Returns the chunks that describe colour or hold text."""
    chunks, space = [], _MAX_CHUNKS
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in COLOUR_CHUNKS + TEXT_CHUNKS and length <= space:
            content = file.read(length)
            space -= length
            if not content.startswith(_NOT_TEXT):
                chunks.append((kind, content))
            length = 0
        file.seek(length + 4, io.SEEK_CUR)
    return tuple(chunks)


def _webp_is_lossless(file: BinaryIO) -> bool:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L"):
            return bool(kind == b"VP8L")
        if kind == b"ANMF":  # a frame, whose chunks follow its 16 bytes
            length = 16
        file.seek(length + length % 2, io.SEEK_CUR)
    return False


def _after_jpeg(file: BinaryIO) -> list[str]:
    """Names what follows the picture in a JPEG, such as the gain map of an HDR photo or the video of a motion photo."""
    file.seek(0)
    content = file.read()
    at, end = 2, len(content)
    while match := _MARKER.search(content, at, end):
        marker, at = match[1][0], match.end()
        if marker == _END:
            rest = content[at:]
            kinds = {"further images": b"\xff\xd8\xff", "video": b"ftyp"}
            found = [name for name, start in kinds.items() if start in rest]
            return found or (["further data"] if rest.strip(b"\0\xff\r\n ") else [])
        if marker in _SEGMENTS:
            at += int.from_bytes(content[at : at + 2], "big")
    return []


def georeference(tags: Iterable[int]) -> tuple[str, ...]:
    """Returns the field "dropped" of a `Photo` for the tags of a TIFF's page."""
    return (_GEOREFERENCE,) if _GEOREFERENCES.intersection(tags) else ()


def _avif_limits(file: BinaryIO) -> list[str]:
    """Names what Pillow drops: it reads AVIF with 8 bits per sample and ignores HDR."""
    file.seek(0)
    head = file.read(2**16)
    limits = []
    bits = head.find(b"pixi")  # box type, version and flags, number of channels, bits of each
    if bits >= 0 and head[bits + 9 : bits + 10] > b"\x08":
        limits.append(f"bits beyond 8 of {head[bits + 9]} per sample")
    colour = head.find(b"colrnclx")  # box type and kind, primaries, transfer function
    if colour >= 0 and len(head) >= colour + 12:
        transfer = int.from_bytes(head[colour + 10 : colour + 12], "big")
        limits += [f"HDR colour ({_HDR[transfer]})"] if transfer in _HDR else []
    return limits
