"""A small network, a folder with a picture, subtitles, and segments whose frames are counted."""

import importlib.util

import pytest

from lapsrn_jax.images.io import write_image
from tests import tiny
from tests.upscaling.conftest import weights

__all__ = ["folder_of_pictures", "weights"]

collect_ignore_glob = [] if importlib.util.find_spec("av") else ["test_*.py"]  # PyAV 19 needs Python 3.12


@pytest.fixture
def folder_of_pictures(tmp_path, rng):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", tiny.photograph(rng, 12, 14))
    return tmp_path / "in"


@pytest.fixture
def subtitles(tmp_path):
    path = tmp_path / "text.srt"
    path.write_text("1\n00:00:00,100 --> 00:00:00,700\nHello\n\n2\n00:00:00,800 --> 00:00:01,000\nWorld\n")
    return path


@pytest.fixture
def counted(monkeypatch):
    """Shorter segments, and the number of frames that the network has enlarged."""
    from lapsrn_jax.upscaling import clips as upscaling  # needs PyAV

    calls, enlarged_planes = [], upscaling.enlarged_planes
    monkeypatch.setattr(upscaling, "SEGMENT", 8)

    def enlarged(*arguments, **options):
        calls.append(1)
        return enlarged_planes(*arguments, **options)

    monkeypatch.setattr(upscaling, "enlarged_planes", enlarged)
    return calls
