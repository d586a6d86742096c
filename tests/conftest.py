"""What all tests share: two CPU devices, flags that grain can read, the reference data if they are there."""

import pathlib

import jax
import numpy as np
import pytest
from absl import flags

ROOT = pathlib.Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

jax.config.update("jax_num_cpu_devices", 2)
flags.FLAGS.mark_as_parsed()  # grain reads a flag, outside of any app


@pytest.fixture
def rng() -> np.random.Generator:
    """Random inputs: new ones in each test, the same in each run."""
    return np.random.default_rng(20241123)


@pytest.fixture(scope="session")
def benchmarks() -> pathlib.Path:
    """The folder of Set5, Set14 and BSD100."""
    return _needed(SHARED / "data" / "benchmarks")


@pytest.fixture(scope="session")
def reference() -> pathlib.Path:
    """The folder of the LapSRN authors' released weights."""
    return _needed(SHARED / "reference")


def _needed(folder: pathlib.Path) -> pathlib.Path:
    if not folder.is_dir():
        pytest.skip(f"needs {folder.relative_to(ROOT.parent)} beside the project, which cannot be redistributed")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Decoded photographs and compiled networks go to a folder of the test session, also those of its commands."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        compiled = {"jax_compilation_cache_dir": str(folder), "jax_persistent_cache_min_compile_time_secs": 0.5}
        for name, value in compiled.items():
            patch.setenv(name.upper(), str(value))
            jax.config.update(name, value)
        yield
