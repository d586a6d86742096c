"""A small network's weights and a folder of small pictures."""

import jax
import pytest

from lapsrn_jax import models
from lapsrn_jax.images.io import write_image
from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.weights.files import save_weights
from tests import tiny


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    model = Pyramid(**tiny.MODEL, tying=Tying())
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, model, models.initial(model, jax.random.key(0)), {})
    return path


@pytest.fixture
def folder(tmp_path, rng):
    for name in ("a.png", "deep/b.jpg", "deep/c d.webp"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "in" / name, tiny.photograph(rng, 20, 24))
    return tmp_path
