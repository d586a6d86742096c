"""Models mix no dtypes and compute no NaNs."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.debug_nans(True):
        yield


@pytest.fixture
def default_settings(_strict):
    """JAX's own settings: for Optax's Adam, for bfloat16 features beside float32 images, and for what users run."""
    with jax.numpy_dtype_promotion("standard"), jax.debug_nans(False):
        yield
