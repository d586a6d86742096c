import os
import subprocess
import sys

import pytest

from lapsrn_jax import hugepages
from lapsrn_jax.hugepages import TUNABLES, VARIABLE, restart_with_huge_pages

SCRIPT = f"""
import os, sys
from lapsrn_jax.hugepages import restart_with_huge_pages
print("here", flush=True)
restart_with_huge_pages()
print(os.getpid(), os.environ.get({VARIABLE!r}), *sys.argv[1:])
"""


def run(**environment):
    inherited = {name: value for name, value in os.environ.items() if name != VARIABLE}
    arguments = [sys.executable, "-c", SCRIPT, "an argument", "--flag"]
    process = subprocess.Popen(arguments, env=inherited | environment, stdout=subprocess.PIPE, text=True)
    return process.pid, process.communicate()[0].splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_a_command_starts_once_more_as_the_same_process(monkeypatch):
    pid, lines = run()
    if lines.count("here") == 1:
        pytest.skip("no huge pages here, or a GPU")
    expected = ":".join(f"{name}={value}" for name, value in TUNABLES.items())
    assert lines == ["here", "here", f"{pid} {expected} an argument --flag"]


def test_a_choice_of_the_user_stays():
    pid, lines = run(**{VARIABLE: ""})
    assert lines == ["here", f"{pid}  an argument --flag"]


@pytest.mark.parametrize("text", ["always madvise [never]", None])
def test_without_huge_pages_nothing_happens(tmp_path, monkeypatch, text):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(hugepages, "_ENABLED", tmp_path / "enabled")
    if text:
        (tmp_path / "enabled").write_text(text)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("restarted"))
    restart_with_huge_pages()
    assert VARIABLE not in os.environ
