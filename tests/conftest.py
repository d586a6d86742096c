"""What all tests share: two CPU devices, flags that grain can read, the reference data if they are there."""

import os
import pathlib

# Pytest imports this when an object fails to be collected; while tensorflow_datasets loads, a first import would fail.
import tracemalloc  # noqa: F401

import jax
import numpy as np
import pytest
from absl import flags

ROOT = pathlib.Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
SETS = ("Set5", "Set14", "BSD100")

jax.config.update("jax_num_cpu_devices", 2)
flags.FLAGS.mark_as_parsed()  # grain reads a flag, outside of any app


def with_devices(count: int) -> dict[str, str]:
    """The environment of a program that has so many CPU devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    return os.environ | {"XLA_FLAGS": flags}


@pytest.fixture
def rng() -> np.random.Generator:
    """Random inputs: new ones in each test, the same in each run."""
    return np.random.default_rng(20241123)


@pytest.fixture(scope="session")
def benchmarks() -> pathlib.Path:
    """The folder of Set5, Set14 and BSD100."""
    return _folder("LAPSRN_BENCHMARKS", [ROOT / "data" / "benchmarks", SHARED / "data" / "benchmarks"], SETS)


@pytest.fixture(scope="session")
def reference() -> pathlib.Path:
    """The folder of the LapSRN authors' released weights."""
    return _folder("LAPSRN_REFERENCE", [SHARED / "reference"])


def _folder(variable: str, usual: list[pathlib.Path], contents: tuple[str, ...] = ()) -> pathlib.Path:
    """The folder that an environment variable names, or the first of the usual ones that has the contents."""
    if named := os.environ.get(variable):
        folder = pathlib.Path(named).resolve()
        assert folder.is_dir(), f"{variable} names {folder}, which is not a folder"
        return folder
    for folder in usual:
        if folder.is_dir() and all((folder / name).is_dir() for name in contents):
            return folder
    places = " or ".join(str(folder) for folder in usual)
    pytest.skip(f"needs files that cannot be redistributed: set {variable}, or put them in {places}")


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
