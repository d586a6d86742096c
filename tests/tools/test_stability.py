"""The command that prints how stable weights are."""

import sys

import pytest

from tools import stability


def test_weights_that_are_not_there_are_named_in_one_line(tmp_path, monkeypatch, capsys):
    missing = tmp_path / "none.safetensors"
    monkeypatch.setattr(sys, "argv", ["stability", str(missing)])
    with pytest.raises(SystemExit):
        stability.main()
    error = capsys.readouterr().err
    assert str(missing) in error
    assert len(error.splitlines()) == 1
