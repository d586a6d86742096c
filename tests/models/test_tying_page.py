"""The code of docs/tying.md, run. Its numbers are in test_tying_facts.py."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("default_settings")

LIBRARIES = ("torch", "keras")  # which the package does not need
SECTIONS = {
    text.splitlines()[0]: re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for text in (ROOT / "docs" / "tying.md").read_text().split("\n## ")[1:]
}


def library(block):
    return next((name for name in LIBRARIES if f"import {name}" in block), "")


def program(blocks, wanted=""):
    """The blocks up to the first that needs a library, and from there on those that need none but the wanted one."""
    start = next((i for i, block in enumerate(blocks) if library(block)), len(blocks))
    later = [block for block in blocks[start:] if wanted and library(block) in ("", wanted)]
    return "\n".join(blocks[:start] + later)


def sections(wanted):
    return [name for name, blocks in SECTIONS.items() if wanted in map(library, blocks) and program(blocks, wanted)]


def test_the_page_has_code_for_each_library():
    assert sum(map(len, SECTIONS.values())) == 12
    assert {library(block) for blocks in SECTIONS.values() for block in blocks} == {"", *LIBRARIES}


@pytest.mark.parametrize("section", sections(""))
def test_blocks_run(section):
    exec(program(SECTIONS[section]), {})


@pytest.mark.parametrize("section", sections("torch"))
def test_torch_blocks_run(section):
    pytest.importorskip("torch")
    exec(program(SECTIONS[section], "torch"), {})


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow", "numpy"])
@pytest.mark.parametrize("section", sections("keras"))
def test_keras_blocks_run(section, backend):
    """In a process of its own: Keras takes its backend when it is imported."""
    run_keras(program(SECTIONS[section], "keras"), backend)


@pytest.mark.slow
def test_keras_layers_do_not_take_a_kernel():
    """Refused on a built layer, lost on one that is not."""
    run_keras(
        """
import keras
def layers():
    conv = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)
    conv.build((1, 6, 6, 4))
    return conv, keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False)
conv, up = layers()
up.build((1, 6, 6, 4))
try:
    up.kernel = conv.kernel
    raise SystemExit("taken")
except ValueError:
    assert up.kernel is not conv.kernel
conv, up = layers()
up.kernel = conv.kernel
assert up.kernel is conv.kernel
up.build((1, 6, 6, 4))
assert up.kernel is not conv.kernel
""",
        "jax",
    )


def run_keras(source, backend):
    for needed in ("keras", backend):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs {needed}")
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
