"""Small images of every kind, with every kind of metadata."""

import dataclasses
import io
import struct
import zlib

import numpy as np
import PIL.Image
import PIL.ImageCms

from lapsrn_jax.photos.photo import Photo

WIDTH, HEIGHT = 53, 37
KINDS = {"gray": (1, False), "gray alpha": (1, True), "RGB": (3, False), "RGBA": (3, True), "CMYK": (4, False)}
PROFILE = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmp:Rating="5" dc:title="\xc3\xa9t\xc3\xa9"/></x:xmpmeta>'
IFD0 = {270: "a small picture", 271: "Maker", 272: "Model 1", 305: "Camera 1.0", 315: "Ann", 33432: "(c) Ann"}
EXIF_IFD = {33434: 0.125, 34855: 200, 36867: "2024:05:06 07:08:09", 37500: bytes(range(200)), 40962: 99, 40963: 88}
GPS_IFD = {1: "N", 2: (52.0, 30.0, 15.5), 29: "2024:05:06"}


def smooth(kind: str, dtype: type = np.uint8, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """[H, W, C] of smooth waves without symmetry, different in each channel, alpha last."""
    channels, alpha = KINDS[kind]
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / 9 + i) + np.cos(x / 11 + 2 * i) + 2 for i in range(channels + alpha)]
    return (np.stack(waves, axis=2) / 4 * np.iinfo(dtype).max).astype(dtype)


def photo(samples: np.ndarray, kind: str, **metadata: object) -> Photo:
    """A photo of `samples` from `smooth`."""
    channels, alpha = KINDS[kind]
    nothing = Photo(samples[:, :, :channels], samples[:, :, channels] if alpha else None, None, None, None, "PNG")
    return dataclasses.replace(nothing, **metadata)


def exif(orientation: int = 1) -> bytes:
    """EXIF in three directories."""
    result = PIL.Image.Exif()
    result.update(IFD0 | {274: orientation})
    result.get_ifd(34665).update(EXIF_IFD)
    result.get_ifd(34853).update(GPS_IFD)
    return result.tobytes().removeprefix(b"Exif\0\0")


def directories(exif: bytes) -> tuple[dict, dict, dict]:
    """The main, camera and GPS directories of EXIF, as an independent reader finds them."""
    found = PIL.Image.Exif()
    found.load(exif)
    camera, place = dict(found.get_ifd(34665)), dict(found.get_ifd(34853))
    return {tag: found[tag] for tag in found if tag not in (34665, 34853)}, camera, place


def encoded(picture: PIL.Image.Image | np.ndarray, format: str, **options: object) -> io.BytesIO:
    """A file written by Pillow."""
    image = picture if isinstance(picture, PIL.Image.Image) else PIL.Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(size: tuple[int, int], depth: int, colour: int, compressed: bytes, further: bytes = b"") -> bytes:
    """A PNG file, valid or not."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + further + chunk(b"IDAT", compressed) + chunk(b"IEND", b"")


def tiff(
    size: tuple[int, int], bits: int, compression: int, strip: bytes, further: dict[int, int] | None = None
) -> bytes:
    """A gray TIFF file of one strip, valid or not."""
    tags = {256: size[0], 257: size[1], 258: bits, 259: compression, 262: 1, 273: 0, 277: 1, 278: size[1]}
    tags |= {279: len(strip)} | (further or {})
    start = 8 + 2 + 12 * len(tags) + 4
    for tag in (273, 324):
        tags |= {tag: start} if tag in tags else {}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + strip
