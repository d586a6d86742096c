"""Reading and writing 8-bit images as arrays, gray [H, W] or RGB [H, W, 3], and conversion to and from float."""

import os
import pathlib

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageOps

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.images.formats import PHOTOGRAPHS, format_of

_SUFFIXES = {suffix for format in PHOTOGRAPHS for suffix in format.suffixes}
_GRAY_MODES = {"1", "L", "LA"}


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads an image and turns it upright according to its EXIF orientation.

    Returns:
      uint8, [H, W] if the file is gray and RGB [H, W, 3] otherwise.

    Raises:
      UserError: the file does not exist, is not an image, is truncated or damaged, or has more pixels than Pillow
        allows.
    """
    try:
        with PIL.Image.open(path, formats=[format.name for format in PHOTOGRAPHS]) as file:
            image = PIL.ImageOps.exif_transpose(file)
            if image.mode.startswith("I;16"):  # Pillow's own conversion to 8 bits would clip instead of scale
                return np.rint(np.asarray(image) / 257).astype(np.uint8)
            if image.mode in ("I", "F"):
                raise UserError(f"{path} has 32 bits per pixel: convert it to 8 or 16 bits first")
            return np.asarray(image.convert("L" if image.mode in _GRAY_MODES else "RGB"))
    except FileNotFoundError:
        raise UserError(f"no such image: {path}") from None
    except PIL.UnidentifiedImageError:
        formats = ", ".join(sorted(_SUFFIXES))
        raise UserError(f"{path} is not a picture in a supported format ({formats})") from None
    except (OSError, SyntaxError, ValueError, EOFError, PIL.Image.DecompressionBombError) as error:
        raise UserError(f"{path} is damaged or unreadable: {error}") from None


def write_image(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Writes a uint8 image [H, W] or [H, W, 3] in the format of the path's suffix. The file is never left incomplete.

    Raises:
      UserError: the suffix is not in `FORMAT_OF_SUFFIX`, or the file cannot be written.
    """
    format = format_of(path)
    try:
        with atomic_write(path) as partial:
            PIL.Image.fromarray(image).save(partial, format=format.name, **format.options)
    except (OSError, ValueError) as error:  # Pillow raises ValueError for an image too large for its format
        raise UserError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def find_images(folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Returns the paths of all images below `folder`, sorted, without hidden ones (see `walk`).

    Raises:
      UserError: the folder does not exist or has no images.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"no such image folder: {folder}")
    paths = sorted(path for path in walk(folder)[0] if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise UserError(f"no images in {folder} (looked for {', '.join(sorted(_SUFFIXES))})")
    return paths


def walk(folder: str | os.PathLike[str]) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Finds the files below a folder.

    Hidden files and folders are skipped, such as macOS's "._photo.jpg", ".thumbs" and the "@eaDir" of some servers.

    Returns:
      (files, links): the files, and the linked folders, which are not searched since they may lead anywhere.
    """
    files, links = [], []
    for name, folders, names in os.walk(folder):
        place = pathlib.Path(name)
        folders[:] = [name for name in folders if not name.startswith((".", "@eaDir"))]
        links += [place / name for name in folders if (place / name).is_symlink()]
        files += [place / name for name in names if not name.startswith(".") and (place / name).is_file()]
    return files, links


def as_array(image: npt.ArrayLike) -> np.ndarray:
    """Returns `np.asarray(image)`. Raises `UserError` if that fails, as for a list whose rows differ in length."""
    try:
        return np.asarray(image)
    except (TypeError, ValueError) as error:
        kind = type(image).__name__
        raise UserError(f"the image is a {kind} that NumPy cannot convert to an array: {error}") from None


def to_float(image: np.ndarray) -> np.ndarray:
    """Converts uint8 to float64 in [0, 1], as MATLAB's `im2double` does."""
    return image.astype(np.float64) / 255


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Converts float in [0, 1] to uint8, clipped and rounded half up, as MATLAB's `im2uint8` does."""
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
