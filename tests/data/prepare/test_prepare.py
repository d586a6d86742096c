import hashlib

import pytest

from lapsrn_jax.cli import main
from lapsrn_jax.data.prepare.div2k import PARTS
from lapsrn_jax.images.io import find_images
from tests.data.prepare.making import png, zipped


def test_the_command_prepares_div2k(server, tmp_path, monkeypatch, capsys):
    picture = png(1, (4, 4))
    for part, first in ((PARTS["train"], 1), (PARTS["validation"], 801)):
        files = {f"{part.name}/{n:04}.png": picture for n in range(first, first + part.images)}
        server.files[f"/{part.name}.zip"] = zipped(files)
    for split, part in PARTS.items():
        digest = hashlib.sha256(server.files[f"/{part.name}.zip"]).hexdigest()
        monkeypatch.setitem(PARTS, split, part._replace(digest=digest))
    monkeypatch.chdir(tmp_path)
    main(["prepare", "div2k", "--url", server.url])
    assert len(find_images("data/DIV2K/DIV2K_train_HR")) == 800
    assert len(find_images("data/DIV2K/DIV2K_valid_HR")) == 100
    assert "data/DIV2K/DIV2K_train_HR: 800 photographs, checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["div2k"], "404 Not Found"),
        (["benchmarks"], "404 Not Found"),
        (["benchmarks", "--folder", "a_file"], "a_file"),
        (["div2k", "--folder", "a_file"], "cannot write to a_file"),
        (["div2k", "--url", "ftp://127.0.0.1"], "http://"),
    ],
)
def test_the_commands_fail_in_one_line(server, tmp_path, monkeypatch, capsys, arguments, words):
    (tmp_path / "a_file").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as status:
        main(["prepare", arguments[0], "--url", server.url, *arguments[1:]])
    assert status.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert words in error[0]
    assert not list(tmp_path.rglob("*.png"))
