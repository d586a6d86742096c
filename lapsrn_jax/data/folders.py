"""Folders of pictures that appear at once, hold what they should, and can be checked again later."""

import hashlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import PIL.Image
import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images, read_image

MANIFEST = "SHA256SUMS"  # in the format of `sha256sum`, which can check it


class WrongPictures(UserError):
    """Pictures, or an archive of them, that are not what they should be: to be had anew, if anywhere."""


@contextmanager
def arriving(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder to fill, which becomes `folder` at the end of the block or, after an exception, vanishes.

    Raises:
      UserError: a place that cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        temporary.mkdir(parents=True)
        yield temporary
        os.rename(temporary, folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def decoded(folder: pathlib.Path, count: int, origin: str) -> Iterator[np.ndarray]:
    """Decodes each picture of `folder`, in the order of their names.

    Args:
      folder: the pictures.
      count: how many there must be.
      origin: what to call the place where they come from.

    Yields:
      uint8, [H, W] or [H, W, 3].

    Raises:
      WrongPictures: another number of pictures, or one that is damaged or not of the size that its header says.
    """
    paths = find_images(folder) if any(folder.iterdir()) else []
    if len(paths) != count:
        raise WrongPictures(f"{origin} holds {len(paths)} images, not {count}")
    for path in tqdm.tqdm(paths, desc=f"checking {origin}", unit="image", leave=False):
        try:
            image = read_image(path)
        except UserError as error:
            raise WrongPictures(f"{origin}: {str(error).replace(str(path), path.name)}") from None
        with PIL.Image.open(path) as file:
            if sorted(file.size) != sorted(image.shape[:2]):  # sorted: the picture may have been turned upright
                raise WrongPictures(f"{origin}: {path.name} is not of the size that it says")
        yield image


def write_manifest(folder: pathlib.Path) -> None:
    """Writes the SHA-256 of each picture in `folder` beside them."""
    lines = [f"{_sha256(path)}  {path.name}\n" for path in find_images(folder)]
    (folder / MANIFEST).write_text("".join(lines))


def verify_manifest(folder: pathlib.Path) -> int:
    """Holds the pictures in `folder` to its manifest.

    Returns:
      How many there are.

    Raises:
      UserError: no manifest, or a picture that is missing, was changed or was added.
    """
    remedy = f"remove or rename {folder} and run the command again"
    try:
        lines = (folder / MANIFEST).read_text().splitlines()
    except OSError:
        raise UserError(f"{folder} has no {MANIFEST}, so it was not made here: {remedy}") from None
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    here = {str(path.relative_to(folder)): path for path in find_images(folder)}
    for name in sorted(digests.keys() | here.keys()):
        if name not in here or name not in digests:
            raise UserError(f"{folder / name} {'is missing' if name in digests else 'does not belong there'}: {remedy}")
        if _sha256(here[name]) != digests[name]:
            raise UserError(f"{folder / name} was changed: {remedy}")
    return len(here)


def fingerprint(images: Iterator[np.ndarray]) -> str:
    """The SHA-256 of the pictures' pixels, whatever their order, names and files.

    A row or column that makes a side odd does not count: see `lapsrn_jax.data.benchmarks`.
    """
    digests = []
    for image in images:
        height, width = (side // 2 * 2 for side in image.shape[:2])
        even = image[:height, :width]
        digests.append(hashlib.sha256(repr(even.shape).encode() + even.tobytes()).hexdigest())
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
