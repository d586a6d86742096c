"""Where photographs come from: the user's folders, DIV2K as `lapsrn prepare` writes it, or scikit-image's."""

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
    """A photograph that is decoded on demand.

    Attributes:
      name: the name to show; for a file, its path.
      digest: returns the SHA-256 of the data that the photograph is decoded from.
      read: decodes the photograph to uint8 [H, W] or [H, W, 3].
    """

    name: str
    digest: Callable[[], bytes]
    read: Callable[[], np.ndarray]


def training_pictures(sources: str) -> list[Picture]:
    """Returns the photographs to train on.

    Args:
      sources: separated by commas. Each is a folder, searched recursively; "div2k:FOLDER", the dataset that
        `lapsrn prepare div2k` wrote to FOLDER; or "bundled", scikit-image's photographs.

    Raises:
      UserError: a source does not exist or contains no picture.
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
    """Splits photographs into those to train on and about one in `every` to validate on; 0 holds out none.

    The split depends on the content of a photograph, not on its name or folder, so copies stay together.

    Raises:
      UserError: no photograph is left to train on.
    """
    if not every:
        return list(pictures), []
    out = {picture: int.from_bytes(picture.digest()) % every == 0 for picture in pictures}
    if all(out.values()):
        raise UserError(f"data.hold_out={every} leaves none of {len(out)} photograph(s) to train on: add photographs")
    return [picture for picture in pictures if not out[picture]], [picture for picture in out if out[picture]]


def evaluation_pictures(source: str) -> list[Picture]:
    """Returns the photographs to score.

    Args:
      source: a folder, searched recursively; "div2k:FOLDER", for DIV2K's validation photographs; or "bundled", for the
        bundled photographs that training does not use.

    Raises:
      UserError: the folder does not exist or contains no picture.
    """
    source = source.strip()
    if not source:
        raise UserError("the list of folders of photographs has an empty entry: remove a comma or name a folder")
    if source.startswith(_DIV2K):
        return _div2k(source, "validation")
    return _files(_bundled(_BUNDLED_HELD_OUT) if source == BUNDLED else find_images(source))


def evaluation_sets(sources: Sequence[str]) -> dict[str, list[Picture]]:
    """Returns the sets of photographs to score, by name.

    Args:
      sources: each is a source for `evaluation_pictures`, which becomes a set with the name of its folder; or a folder
        that contains some of `BENCHMARKS`, each of which becomes a set.

    Raises:
      UserError: as `evaluation_pictures`, or two sets have the same name.
    """
    sets: dict[str, list[Picture]] = {}
    for source in map(str.strip, sources):
        paths = [os.path.join(source, name) for name in BENCHMARKS] if source else []
        inside = [path for path in paths if os.path.isdir(path)]
        for each in inside or [source]:
            name = pathlib.Path(each).resolve().name
            if name in sets:
                raise UserError(f"two sets of --data are named {name}: leave one out")
            sets[name] = evaluation_pictures(each)
    return sets


def picture_file(path: str | os.PathLike[str]) -> Picture:
    """Returns the photograph in a file, which need not exist until the photograph is read."""
    return Picture(os.fspath(path), functools.partial(_file_digest, path), functools.partial(read_image, path))


def _files(paths: Sequence[pathlib.Path]) -> list[Picture]:
    return [picture_file(path) for path in paths]


def _find(folder: str) -> list[pathlib.Path]:
    try:
        return find_images(folder)
    except UserError as error:
        remedy = "pass --config.data.train=FOLDER, or download DIV2K with `lapsrn prepare div2k`"
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
    spec = importlib.util.find_spec("skimage")  # located, not imported, which would take a second
    assert spec is not None, "scikit-image is a dependency of this package"
    assert spec.origin is not None
    return [pathlib.Path(spec.origin).parent / "data" / name for name in names]


def _file_digest(path: str | os.PathLike[str]) -> bytes:
    return bytes.fromhex(sha256(path))
