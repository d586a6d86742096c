"""Folders of pictures that appear at once, hold what they should, and can be checked again later."""

import hashlib
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import PIL.Image
import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_folder, sha256
from lapsrn_jax.images.io import find_images, read_image

MANIFEST = "SHA256SUMS"  # in the format of `sha256sum`, which can check it


class WrongPictures(UserError):
    """Pictures, or an archive of them, that are not what they should be: to be had anew, if anywhere."""


@contextmanager
def new_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """`atomic_folder` with a `UserError` where it cannot be written."""
    try:
        with atomic_folder(path) as partial:
            yield partial
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


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
    lines = [f"{sha256(path)}  {path.name}\n" for path in find_images(folder)]
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
        if sha256(here[name]) != digests[name]:
            raise UserError(f"{folder / name} was changed: {remedy}")
    return len(here)


def fingerprint(images: Iterator[np.ndarray]) -> str:
    """The SHA-256 of the pictures' pixels, whatever their order, names and files.

    A row or column that makes a side odd does not count: see `lapsrn_jax.data.prepare.benchmark_sets`.
    """
    digests = []
    for image in images:
        height, width = (side // 2 * 2 for side in image.shape[:2])
        even = image[:height, :width]
        digests.append(hashlib.sha256(repr(even.shape).encode() + even.tobytes()).hexdigest())
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
