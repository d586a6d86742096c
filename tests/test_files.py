"""Files that appear whole."""

import os
import subprocess

import pytest

from lapsrn_jax.files import atomic_write
from tests.conftest import ROOT


def test_a_file_is_synced_through_a_handle_for_writing(tmp_path, monkeypatch):
    """Windows refuses to sync any other."""
    synced = []

    def fsync(number):
        os.write(number, b"")  # fails on a handle for reading
        synced.append(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with atomic_write(tmp_path / "file") as partial:
        partial.write_bytes(b"content")
    assert len(synced) == 1
    assert (tmp_path / "file").read_bytes() == b"content"


def test_no_module_needs_unix():
    """Locks are filelock's, so that the package can be imported on Windows."""
    found = subprocess.run(
        ["git", "grep", "-nwE", "import (fcntl|resource|pwd|grp)", "--", "lapsrn_jax", "studies"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode > 1:
        pytest.skip("needs git")
    assert not found.stdout
