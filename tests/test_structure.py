"""The shape of the code base, and what its documents promise."""

import ast
import pathlib
import tomllib

import pytest
from ml_collections import ConfigDict

from lapsrn_jax import models
from lapsrn_jax.data.patches import split_batch
from tests.conftest import ROOT

# A package may import itself and those below it.
LAYERS = [
    ("errors", "files", "cache", "hugepages"),
    "images",
    ("models", "data", "photos", "videos"),
    ("weights", "export"),
    "upscaling",
    ("evaluation", "api"),
    "training",
    "cli",
]
RANK = {name: i for i, layer in enumerate(LAYERS) for name in ([layer] if isinstance(layer, str) else layer)}


def imported(path: pathlib.Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


SOURCES = sorted((ROOT / "lapsrn_jax").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT / "lapsrn_jax").parts[0].removesuffix(".py")
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("lapsrn_jax.")} & RANK.keys()
    if package == "__init__":
        return
    assert all(other == package or RANK[other] < RANK[package] for other in ours), (package, ours)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short_and_libraries_stay_in_their_place(path):
    assert len(path.read_text().splitlines()) < 300
    libraries = {name.split(".")[0] for name in imported(path)}
    assert "orbax" not in libraries or path.name == "checkpoints.py"
    assert "tensorboardX" not in libraries or path.name == "logs.py"
    if path.parent.name in ("images", "photos", "data", "prepare"):
        assert not libraries & {"jax", "flax", "optax"}


def test_the_paper_is_on_top_of_the_evaluation():
    for path in (ROOT / "lapsrn_jax" / "evaluation").glob("*.py"):
        assert not any(name.startswith("lapsrn_jax.evaluation.paper") for name in imported(path)), path


# Folders beside the package, and those that each may import.
PROGRAMS: dict[str, set[str]] = {
    "lapsrn_jax": set(),
    "configs": {"lapsrn_jax"},
    "tools": {"lapsrn_jax", "configs"},
    "benchmarks": {"lapsrn_jax", "configs", "tools"},
    "studies": {"lapsrn_jax", "configs", "tools"},
}


@pytest.mark.parametrize("folder", PROGRAMS)
def test_nothing_imports_from_the_programs_but_their_own(folder):
    for path in (ROOT / folder).rglob("*.py"):
        others = {name.split(".")[0] for name in imported(path)} & PROGRAMS.keys() - {folder}
        assert others <= PROGRAMS[folder], path


CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.py") if path.stem not in ("__init__", "default"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_config_builds_and_documents_itself(path):
    namespace: dict = {}
    exec(compile(path.read_text(), path, "exec"), namespace)
    config: ConfigDict = namespace["get_config"]()
    models.from_settings(config.model)
    assert f"python train.py --config configs/{path.name}" in namespace["__doc__"]


def test_requirements_hold_the_whole_set():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = " ".join(project["dependencies"] + extras["cuda12"] + extras["datasets"] + extras["dev"])
    for package in ("jax[cuda12]", "flax", "optax", "orbax-checkpoint", "tensorflow-datasets", "grain", "numpy",
                    "pillow", "pytest"):  # fmt: skip
        assert package in listed
    assert "-e .[cuda12,datasets,dev]" in (ROOT / "requirements.txt").read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_batch_of_each_config_divides_among_devices(path):
    namespace: dict = {}
    exec(compile(path.read_text(), path, "exec"), namespace)
    data = namespace["get_config"]().data
    for devices in (1, 2, 4):
        split_batch(data.batch_size, data.scales, devices)
