"""The page in a browser: what its tests need, and how they run."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from lapsrn_jax.cli.web import PAGE
from tests.conftest import ROOT

TESTS = ROOT / "web" / "test"


def missing() -> str | None:
    """What the tests of the page lack, if anything."""
    if not shutil.which("node"):
        return "Node is not installed"
    if not chromium():
        return "Chromium is not installed"
    if not (PAGE / "index.html").exists() or not (ROOT / "web" / "node_modules").exists():
        return "the page is not built: make web"
    return None


def chromium() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def node(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of web/test, with further variables of the environment."""
    variables = os.environ | {"PYTHON": sys.executable, "CHROMIUM": chromium() or ""} | environment
    return subprocess.run(
        ["node", *map(str, command)], cwd=TESTS, env=variables, capture_output=True, text=True, check=False
    )


def on_the_page(jobs: list[dict], folder: pathlib.Path, webgpu: bool = False) -> dict:
    """Enlarges pictures on the page, into 0.png, 1.png, ... in the folder. Returns what enlarge.mjs prints."""
    (folder / "jobs.json").write_text(json.dumps({"webgpu": webgpu, "jobs": jobs}))
    result = node("enlarge.mjs", folder / "jobs.json", folder)
    assert result.returncode == 0, result.stderr
    answer: dict = json.loads(result.stdout)
    assert not answer["problems"]
    return answer


@pytest.fixture(scope="session", autouse=True)
def _browser():
    reason = missing()
    if reason:
        pytest.skip(f"the page's tests are left out: {reason}")
