"""Photographs decoded once, into a memory-mapped file that all processes of a machine share."""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import read_image

_VERSION = b"1"  # of the cache's layout


class Photographs:
    """Random access to uint8 [H, W, 3] pictures; gray ones have three equal channels.

    Only the folder of the cache travels when a worker process gets one: each process maps the file for itself.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._shapes: list[tuple[int, int, int]] = [tuple(s) for s in json.loads((folder / "index.json").read_text())]
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
        """The shape of each picture, without reading it."""
        return [self._shapes[i] for i in self._indices]

    def select(self, indices: Sequence[int]) -> "Photographs":
        """The pictures with these indices, in this order, any of them more than once."""
        selection = Photographs(self._folder)
        selection._indices = [self._indices[i] for i in indices]
        return selection


def cache_folder() -> pathlib.Path:
    """Where decoded photographs are kept: `lapsrn_jax` in $XDG_CACHE_HOME, by default in ~/.cache."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lapsrn_jax"


def read_photographs(paths: Sequence[pathlib.Path], smallest: int) -> Photographs:
    """The pictures at `paths`, decoded before or now; a path that comes twice counts twice.

    Pictures with a side below `smallest` pixels cannot give a patch: they are named and left out.

    Raises:
      UserError: a picture that cannot be read, none that is large enough, or a cache folder that cannot be written.
    """
    unique = list(dict.fromkeys(paths))
    photographs = _decoded(unique)
    large = [min(shape[:2]) >= smallest for shape in photographs.shapes()]
    left_out = [path.name for path, fits in zip(unique, large, strict=True) if not fits]
    if not any(large):
        raise UserError(
            f"all {len(unique)} images are smaller than a patch of {smallest} pixels, such as {unique[0]}: "
            "lower data.patch_size"
        )
    if left_out:
        print(f"left out, smaller than a patch of {smallest} pixels: {', '.join(left_out)}")
    position = {path: i for i, path in enumerate(unique)}
    return photographs.select([position[path] for path in paths if large[position[path]]])


def _decoded(paths: Sequence[pathlib.Path]) -> Photographs:
    folder = cache_folder() / _key(paths)
    if _is_whole(folder):
        return Photographs(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as partial:
            new = pathlib.Path(partial) / "new"
            new.mkdir()
            shapes = []
            with (new / "pixels").open("wb") as pixels:
                for image in _read(paths):
                    shapes.append(image.shape)
                    pixels.write(image.tobytes())
            (new / "index.json").write_text(json.dumps(shapes))
            shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
            try:
                new.rename(folder)
            except OSError:
                if not _is_whole(folder):  # else another process was faster
                    raise
    except OSError as error:
        raise UserError(
            f"cannot keep decoded photographs in {folder.parent} ({error.strerror}): set XDG_CACHE_HOME to a folder "
            "with room"
        ) from None
    return Photographs(folder)


def _key(paths: Sequence[pathlib.Path]) -> str:
    """A hash of the files' contents, in order."""
    total = hashlib.sha256(_VERSION)
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:32]


def _is_whole(folder: pathlib.Path) -> bool:
    """Whether the cache is there and its file has the size that its index promises."""
    try:
        shapes = json.loads((folder / "index.json").read_text())
        return (folder / "pixels").stat().st_size == sum(int(np.prod(shape)) for shape in shapes)
    except (OSError, ValueError):
        return False


def _read(paths: Sequence[pathlib.Path]) -> Iterator[np.ndarray]:
    for path in tqdm.tqdm(paths, desc="decoding photographs", unit="image", leave=False):
        image = read_image(path)
        yield np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image
