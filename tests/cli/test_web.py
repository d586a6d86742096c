"""`lapsrn web` serves the page, and nothing else."""

import http.client
import socket
import subprocess
import sys

import pytest

from lapsrn_jax.cli import main, web


@pytest.fixture
def page(tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "code.mjs").write_text("export {};")
    monkeypatch.setattr(web, "PAGE", tmp_path)
    return tmp_path


@pytest.fixture
def server(page):
    program = "import pathlib, sys; from lapsrn_jax.cli import main, web; web.PAGE = pathlib.Path(sys.argv[1]); " \
        "main(['web', '--port', '0'])"  # fmt: skip
    command = [sys.executable, "-c", program, str(page)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        yield address.removeprefix("http://").rstrip("/")
        process.kill()


def get(address, path):
    connection = http.client.HTTPConnection(address)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_files_have_the_headers_that_threads_need(server):
    assert server.startswith("127.0.0.1:")
    for path, kind in (("/", "text/html"), ("/code.mjs", "text/javascript")):
        response = get(server, path)
        assert (response.status, response.headers.get_content_type()) == (200, kind)
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert get(server, "/../conftest.py").status == 404


def complaint(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["web", *arguments])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_what_cannot_be_is_refused(page, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot serve on port {port}" in complaint(capsys, "--port", port)
    assert "not a port" in complaint(capsys, "--port", "65536")
    (page / "index.html").unlink()
    assert "make web" in complaint(capsys)
