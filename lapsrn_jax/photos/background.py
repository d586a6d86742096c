"""Fills the transparency of photos with a colour."""

import dataclasses

import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos.photo import Photo


def filled(photo: Photo, colour: tuple[int, int, int], name: str) -> Photo:
    """Returns the photo over a background, without alpha. A photo without alpha stays as it is.

    Args:
      photo: the photo, of any kind that `read_photo` returns.
      colour: red, green and blue of the background, from 0 to 255. CMYK gets the inks 255 - colour.
      name: name of the photo in messages.

    Raises:
      UserError: the photo is gray and the colour is not.
    """
    if photo.alpha is None:
        return photo
    if photo.channels == 1 and len(set(colour)) > 1:
        raise UserError(f"{name} is gray: give a gray --background, such as white, or convert the picture to RGB first")
    behind = np.array({1: colour[:1], 3: colour, 4: (*(255 - c for c in colour), 0)}[photo.channels], np.float64)
    peak = np.iinfo(photo.pixels.dtype).max
    opacity = photo.alpha[:, :, None] / peak
    mixed = photo.pixels * opacity + behind * (peak / 255) * (1 - opacity)
    return dataclasses.replace(photo, pixels=np.rint(mixed).astype(photo.pixels.dtype), alpha=None)
