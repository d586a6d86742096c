"""Training computes no NaNs unless a test feeds it some. Optax's Adam cannot run with strict dtype promotion."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _no_nans():
    with jax.debug_nans(True):
        yield


@pytest.fixture
def nans(_no_nans):
    """For a test that feeds NaNs."""
    with jax.debug_nans(False):
        yield
