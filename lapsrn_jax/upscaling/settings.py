"""The settings of a batch, and what its pictures share besides."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from lapsrn_jax.upscaling.record import Record
from lapsrn_jax.upscaling.upscale import Size, Upscaler


class Settings(NamedTuple):
    """The settings that all pictures of a batch share.

    Attributes:
      size: a function from a picture's (rows, columns) to those of its result.
      format: format of a result on standard output, or None for that of its source. Files use their suffix.
      strip: leave out all metadata that is not needed to show the picture.
      keep_hidden: keep the colours of invisible pixels; see `enlarged`.
      overwrite: replace files that the record does not list as unchanged results.
      fingerprint: text that identifies everything that affects the results. A result with another fingerprint is
        replaced.
      quality: quality of lossy formats; see `write_photo`.
      lossless: write without loss.
      background: colour (red, green, blue from 0 to 255) that fills transparency, or None to keep transparency.
      copy_large: copy pictures for which `size` returns their own size. Otherwise, they are errors.
      codec: codec of videos; see `encoding_for`.
      crf: constant rate factor of videos, or None for the codec's default.
      weights: for the reports, the name of the weights for most pictures, and that for lossy ones.
    """

    size: Callable[[Size], Size]
    format: str | None
    strip: bool
    keep_hidden: bool
    overwrite: bool
    fingerprint: str
    quality: int | None = None
    lossless: bool = False
    background: tuple[int, int, int] | None = None
    copy_large: bool = False
    codec: str | None = None
    crf: int | None = None
    weights: tuple[str, str] = ("", "")


class Batch(NamedTuple):
    """All that the pictures of a batch share.

    Attributes:
      upscale: the network.
      settings: the settings.
      record: the record of the output folder, or None.
      inputs: identities of all inputs, which are never overwritten.
      room: waits for a number of bytes of memory, and keeps them until the picture is done.
      say: prints a line.
      show: shows a text beside the progress.
    """

    upscale: Upscaler
    settings: Settings
    record: Record | None
    inputs: set[Any]
    room: Callable[[int], AbstractContextManager[None]]
    say: Callable[[str], None]
    show: Callable[[str], None]
