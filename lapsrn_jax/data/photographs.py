"""Decodes photographs once, into a memory-mapped file that all processes of a machine share."""

import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm

from lapsrn_jax.cache import cache_folder
from lapsrn_jax.data.sources import Picture
from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_folder, locked

MAX_DECODED = 20 * 2**30  # bytes of all caches together; DIV2K takes 7 GB
_VERSION = b"1"  # of the cache's layout
_INDEX = "index.json"  # the shapes of the pictures


class Photographs:
    """Random access to uint8 [H, W, 3] pictures; gray pictures have three equal channels.

    Pickling keeps only the path of the cache, so each worker process maps the file itself.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._shapes: list[tuple[int, int, int]] = [tuple(s) for s in json.loads((folder / _INDEX).read_text())]
        self._offsets = np.cumsum([0, *(int(np.prod(shape)) for shape in self._shapes)])
        self._indices = list(range(len(self._shapes)))
        self._pixels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> np.ndarray:
        if self._pixels is None:
            self._pixels = np.memmap(self._folder / "pixels", np.uint8, mode="r")
        i = self._indices[index]
        return np.asarray(self._pixels[self._offsets[i] : self._offsets[i + 1]]).reshape(self._shapes[i])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pixels": None}

    def shapes(self) -> list[tuple[int, int, int]]:
        """Returns the shape of each picture without reading it."""
        return [self._shapes[i] for i in self._indices]

    def select(self, indices: Sequence[int]) -> "Photographs":
        """Returns the pictures with these indices, in this order."""
        selection = Photographs(self._folder)
        selection._indices = [self._indices[i] for i in indices]
        return selection


def read_photographs(pictures: Sequence[Picture], smallest: int) -> Photographs:
    """Reads the pictures, from the cache if they have been decoded before.

    Pictures with a side below `smallest` pixels are too small for a patch. They are named and left out.

    Raises:
      UserError: a picture cannot be read, no picture is large enough, or the cache folder cannot be written.
    """
    photographs = _decoded(pictures)
    large = [min(shape[:2]) >= smallest for shape in photographs.shapes()]
    left_out = [picture.name for picture, fits in zip(pictures, large, strict=True) if not fits]
    if not any(large):
        raise UserError(
            f"all {len(pictures)} images are smaller than a patch of {smallest} pixels, such as {pictures[0].name}: "
            "lower data.patch_size"
        )
    if left_out:
        print(f"left out, smaller than a patch of {smallest} pixels: {', '.join(left_out)}", flush=True)
    return photographs.select([i for i, fits in enumerate(large) if fits])


def _decoded(pictures: Sequence[Picture]) -> Photographs:
    digests = [picture.digest() for picture in pictures]
    folder = cache_folder() / hashlib.sha256(_VERSION + b"".join(digests)).hexdigest()[:32]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(_lock(folder)):  # two processes with the same pictures: the second one waits
            if not _is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                _decode(pictures, folder)
        os.utime(folder / _INDEX)  # the time of its last use
        with locked(folder.with_name(".room.lock"), wait=False) as ours:  # one process removes, the others need not
            if ours:
                _make_room(folder)
    except OSError as error:
        raise UserError(
            f"cannot write decoded photographs to {folder.parent} ({error.strerror}): set XDG_CACHE_HOME to a "
            "folder with free space"
        ) from None
    return Photographs(folder)


def _lock(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(f".{folder.name}.lock")


def _make_room(used: pathlib.Path) -> None:
    """Removes what killed processes left, and beyond the limit, the caches that were unused for the longest time."""
    for partial in used.parent.glob(".*.partial"):
        with locked(partial.with_suffix(".lock"), wait=False) as ours:
            if ours:
                shutil.rmtree(partial, ignore_errors=True)
    room = MAX_DECODED
    indices = {path: path.stat().st_mtime for path in used.parent.glob(f"*/{_INDEX}")}
    for path in sorted(indices, key=indices.__getitem__, reverse=True):
        room -= sum(file.stat().st_size for file in path.parent.iterdir())
        if room < 0 and path.parent != used:
            shutil.rmtree(path.parent, ignore_errors=True)


def _is_whole(folder: pathlib.Path) -> bool:
    """Whether the cache exists and its file has the size that its index states."""
    try:
        shapes = json.loads((folder / _INDEX).read_text())
        return (folder / "pixels").stat().st_size == sum(int(np.prod(shape)) for shape in shapes)
    except (OSError, ValueError):
        return False


def _decode(pictures: Sequence[Picture], folder: pathlib.Path) -> None:
    shapes = []
    with atomic_folder(folder) as new:
        with (new / "pixels").open("wb") as pixels:
            for picture in tqdm.tqdm(pictures, desc="decoding photographs", unit="image", leave=False):
                image = picture.read()
                image = np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image
                shapes.append(image.shape)
                pixels.write(image.tobytes())
        (new / _INDEX).write_text(json.dumps(shapes))
