"""Folders of pictures that are checked, appear only when complete, and can be verified later."""

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

MANIFEST = "SHA256SUMS"  # in the format of `sha256sum --check`


class WrongPictures(UserError):
    """Pictures, or an archive of them, that are not the expected ones and have to be downloaded again."""


@contextmanager
def new_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Like `atomic_folder`, but raises `UserError` if the folder cannot be written."""
    try:
        with atomic_folder(path) as partial:
            yield partial
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def decoded(folder: pathlib.Path, count: int, origin: str) -> Iterator[np.ndarray]:
    """Decodes each picture of `folder`, in the order of their names.

    Args:
      folder: the folder of the pictures.
      count: expected number of pictures.
      origin: name of their source, for messages.

    Yields:
      uint8, [H, W] or [H, W, 3].

    Raises:
      WrongPictures: the number of pictures differs, or a picture is damaged or not of the size in its header.
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
                raise WrongPictures(f"{origin}: {path.name} does not have the size in its header")
        yield image


def write_manifest(folder: pathlib.Path) -> None:
    """Writes a manifest with the SHA-256 of each picture into `folder`."""
    lines = [f"{sha256(path)}  {path.name}\n" for path in find_images(folder)]
    (folder / MANIFEST).write_text("".join(lines))


def verify_manifest(folder: pathlib.Path) -> int:
    """Verifies the pictures in `folder` against its manifest.

    Returns:
      The number of pictures.

    Raises:
      UserError: the manifest is missing, or a picture is missing, has changed or was added.
    """
    remedy = f"remove or rename {folder} and run the command again"
    try:
        lines = (folder / MANIFEST).read_text().splitlines()
    except OSError:
        raise UserError(f"{folder} has no {MANIFEST}, so this command did not make it: {remedy}") from None
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    here = {str(path.relative_to(folder)): path for path in find_images(folder)}
    for name in sorted(digests.keys() | here.keys()):
        if name not in here or name not in digests:
            raise UserError(f"{folder / name} {'is missing' if name in digests else 'does not belong there'}: {remedy}")
        if sha256(here[name]) != digests[name]:
            raise UserError(f"{folder / name} was changed: {remedy}")
    return len(here)


def fingerprint(images: Iterator[np.ndarray]) -> str:
    """Returns the SHA-256 of the pictures' pixels, independent of their order, names and file formats.

    It ignores a last row or column that makes a side odd: see `lapsrn_jax.data.prepare.benchmark_sets`.
    """
    digests = []
    for image in images:
        height, width = (side // 2 * 2 for side in image.shape[:2])
        even = image[:height, :width]
        digests.append(hashlib.sha256(repr(even.shape).encode() + even.tobytes()).hexdigest())
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
