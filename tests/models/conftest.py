"""Models mix no dtypes and compute no NaNs."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.debug_nans(True):
        yield


@pytest.fixture
def mixed_dtypes(_strict):
    """For Optax's Adam, which divides float32 by int32 counts, and for bfloat16 features beside float32 images."""
    with jax.numpy_dtype_promotion("standard"):
        yield
