"""Files that appear whole, and locks."""

import os
import subprocess
import threading

import pytest

from lapsrn_jax.files import atomic_write, locked
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


def test_a_lock_leaves_no_file_and_keeps_others_out(tmp_path):
    with locked(tmp_path / "x.lock"), locked(tmp_path / "x.lock", wait=False) as second:
        assert not second
    with locked(tmp_path / "x.lock", wait=False) as third:
        assert third
    assert not list(tmp_path.iterdir())


def test_a_wait_for_a_lock_can_be_stopped(tmp_path):
    stop, held = threading.Event(), []

    def wait():
        with locked(tmp_path / "lock", stop=stop.is_set) as lock:
            held.append(lock)

    with locked(tmp_path / "lock") as lock:
        assert lock
        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        stop.set()
        waiting.join(10)
        assert held == [False]


def test_no_module_needs_unix():
    """Locks are filelock's, so that the package can be imported on Windows."""
    found = subprocess.run(
        ["git", "grep", "-nwE", "import (fcntl|resource|pwd|grp)", "--", "lapsrn_jax", "studies"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode > 1:
        pytest.skip("needs git")
    assert not found.stdout
