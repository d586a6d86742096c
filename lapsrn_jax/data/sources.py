"""Where photographs come from: folders of the user's, DIV2K as `lapsrn prepare` packed it, or the few bundled ones."""

import functools
import hashlib
import importlib.util
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import sha256
from lapsrn_jax.images.io import find_images, read_image

BENCHMARKS = ("Set5", "Set14", "BSD100", "Urban100", "Manga109")  # the sets that papers report
BUNDLED = "bundled"
_BUNDLED_TRAIN = ("brick.png", "camera.png", "coffee.png", "grass.png", "gravel.png", "hubble_deep_field.jpg",
                  "ihc.png", "motorcycle_left.png", "motorcycle_right.png")  # fmt: skip
_BUNDLED_HELD_OUT = ("astronaut.png", "chelsea.png", "rocket.jpg")
_DIV2K = "div2k:"


class Picture(NamedTuple):
    """A photograph that may not have been decoded yet.

    Attributes:
      name: for people; the path of a file.
      digest: SHA-256 of what it is made from, to be called.
      read: decodes it, to uint8 [H, W] or [H, W, 3].
    """

    name: str
    digest: Callable[[], bytes]
    read: Callable[[], np.ndarray]


def training_pictures(sources: str) -> list[Picture]:
    """The photographs to train on.

    Args:
      sources: separated by commas, each a folder, searched to any depth; or "div2k:FOLDER", what `lapsrn prepare div2k`
        left in FOLDER; or "bundled", scikit-image's photographs.

    Raises:
      UserError: no such source, or no picture in it.
    """
    pictures: list[Picture] = []
    for source in sources.split(","):
        name = source.strip()
        if not name:
            raise UserError(f"data.train is {sources!r}: name folders, separated by commas")
        if name.startswith(_DIV2K):
            pictures += _div2k(name, "train")
        else:
            pictures += _files(_bundled(_BUNDLED_TRAIN) if name == BUNDLED else _find(name))
    return pictures


def hold_out(pictures: Sequence[Picture], every: int) -> tuple[list[Picture], list[Picture]]:
    """Parts photographs to train on from about one in `every` to validate on; 0 holds out none.

    What a photograph is made from decides, not its name or place: a copy of it goes the same way.

    Raises:
      UserError: none is left to train on.
    """
    if not every:
        return list(pictures), []
    out = {picture: int.from_bytes(picture.digest()) % every == 0 for picture in pictures}
    if all(out.values()):
        raise UserError(f"data.hold_out={every} leaves nothing to train on of {len(out)} photograph(s): add others")
    return [picture for picture in pictures if not out[picture]], [picture for picture in out if out[picture]]


def evaluation_pictures(source: str) -> list[Picture]:
    """The photographs to score: a folder, searched to any depth, or what "div2k:FOLDER" or "bundled" have for it.

    Raises:
      UserError: no such folder, or no picture in it.
    """
    source = source.strip()
    if not source:
        raise UserError("an empty name among the folders of photographs")
    if source.startswith(_DIV2K):
        return _div2k(source, "validation")
    return _files(_bundled(_BUNDLED_HELD_OUT) if source == BUNDLED else find_images(source))


def evaluation_sets(sources: Sequence[str]) -> dict[str, list[Picture]]:
    """The sets of photographs to score, by name.

    Args:
      sources: as `evaluation_pictures` takes them, each one set, with the name of its folder; or folders that hold some
        of `BENCHMARKS`, each of which is a set.

    Raises:
      UserError: as `evaluation_pictures`; two sets of one name.
    """
    sets: dict[str, list[Picture]] = {}
    for source in sources:
        inside = [os.path.join(source, name) for name in BENCHMARKS if os.path.isdir(os.path.join(source, name))]
        for each in inside or [source]:
            name = pathlib.Path(each).resolve().name
            if name in sets:
                raise UserError(f"two sets of --data are named {name}: leave one out")
            sets[name] = evaluation_pictures(each)
    return sets


def picture_file(path: str | os.PathLike[str]) -> Picture:
    """The photograph in a file, which need not be there yet."""
    return Picture(os.fspath(path), functools.partial(_file_digest, path), functools.partial(read_image, path))


def _files(paths: Sequence[pathlib.Path]) -> list[Picture]:
    return [picture_file(path) for path in paths]


def _find(folder: str) -> list[pathlib.Path]:
    try:
        return find_images(folder)
    except UserError as error:
        remedy = "--config.data.train=FOLDER names another, `lapsrn prepare div2k` downloads DIV2K"
        raise UserError(f"{error}; {remedy}") from None


def _div2k(source: str, split: str) -> list[Picture]:
    from lapsrn_jax.data.div2k import open_div2k  # tensorflow-datasets is an extra

    photographs = open_div2k(pathlib.Path(source.removeprefix(_DIV2K)), split)
    content = functools.cache(lambda: b"".join(_file_digest(path) for path in photographs.files))

    def picture(i: int) -> Picture:
        digest = lambda: hashlib.sha256(content() + i.to_bytes(4, "big")).digest()  # noqa: E731
        return Picture(f"DIV2K {split} {i + 1}", digest, lambda: photographs[i])

    return [picture(i) for i in range(len(photographs))]


def _bundled(names: Sequence[str]) -> list[pathlib.Path]:
    spec = importlib.util.find_spec("skimage")  # found, not imported: that would take a second
    assert spec is not None, "scikit-image is a dependency of this package"
    assert spec.origin is not None
    return [pathlib.Path(spec.origin).parent / "data" / name for name in names]


def _file_digest(path: str | os.PathLike[str]) -> bytes:
    return bytes.fromhex(sha256(path))
