"""Small pictures and archives for the tests of downloads."""

import io
import pathlib
import zipfile

import numpy as np
import PIL.Image
import pytest

from lapsrn_jax.data.prepare.downloads import Patience
from lapsrn_jax.errors import UserError

HASTY = Patience(timeout=0.3, attempts=3, pause=0.01)
ONE_TRY = Patience(timeout=0.3, attempts=1)
BODY = bytes(range(256)) * 4000  # about 1 MB, more than the buffers of a socket hold


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def png(shade: int, size: tuple[int, int] = (9, 7)) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(shade).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tree(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
