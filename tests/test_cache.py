"""The cache folder and the command that shows and clears it."""

import pathlib

import jax
import pytest

from lapsrn_jax.cache import cache_folder, keep_compiled
from lapsrn_jax.cli import main


def test_the_command_shows_and_clears_the_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, size in (("compiled/a", 10**6), ("0123/pixels", 2 * 10**6), (".partial-x/new/pixels", 3 * 10**6)):
        path = cache_folder() / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(size))
    (tmp_path / "other").touch()
    main(["cache"])
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "lapsrn_jax"),
        "       1.0 MB  compiled programs",
        "       2.0 MB  decoded photographs",
        "       3.0 MB  unfinished",
    ]
    main(["cache", "--clear"])
    assert capsys.readouterr().out == f"{tmp_path}/lapsrn_jax: removed 6.0 MB\n"
    assert not list(cache_folder().iterdir())
    assert (tmp_path / "other").exists()
    main(["cache", "--clear"])
    assert "removed 0.0 MB" in capsys.readouterr().out


def test_there_may_be_no_home(monkeypatch, capsys):
    """As for a user id that a container does not know."""
    monkeypatch.delenv("XDG_CACHE_HOME")

    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(pathlib.Path, "home", home)
    with pytest.raises(SystemExit):
        main(["cache"])
    assert capsys.readouterr().err == "error: no home folder for the cache: set XDG_CACHE_HOME to a folder\n"
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        keep_compiled()
        assert jax.config.jax_compilation_cache_dir is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_compiled_programs_have_a_size_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = (
        "jax_compilation_cache_dir",
        "jax_compilation_cache_max_size",
        "jax_persistent_cache_min_compile_time_secs",
    )
    before = {name: getattr(jax.config, name) for name in names}
    try:
        for name, value in zip(names, (None, -1, 1.0), strict=True):  # JAX's defaults
            jax.config.update(name, value)
        keep_compiled()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "lapsrn_jax" / "compiled")
        assert jax.config.jax_compilation_cache_max_size == 2**30
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_compilation_cache_max_size", 10**8)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 5.0)
        keep_compiled()
        assert jax.config.jax_compilation_cache_max_size == 10**8  # the user's
        assert jax.config.jax_persistent_cache_min_compile_time_secs == 5.0
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
