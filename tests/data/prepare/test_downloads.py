import errno
import pathlib

import pytest

from lapsrn_jax.data.prepare.downloads import download
from lapsrn_jax.errors import UserError
from tests.data.prepare.making import BODY, HASTY, ONE_TRY, one_line, tree
from tests.data.prepare.server import Fault


def test_a_file_arrives(server, tmp_path):
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert tree(tmp_path) == {"file"}


def test_a_dropped_connection_is_taken_up_where_it_broke(server, tmp_path, capsys):
    server.faults = [Fault(after=300_000), Fault(status=503), Fault(after=200_000)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.answers == [(200, 300_000), (503, 0), (206, 200_000), (206, len(BODY) - 500_000)]
    assert "the connection ended after 300000 of 1024000 bytes; trying again in 0.01 s" in capsys.readouterr().err


def test_the_next_call_goes_on(server, tmp_path):
    server.faults = [Fault(after=300_000)]
    with pytest.raises(UserError) as error:
        download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    assert "300000 bytes are kept: run the same command again to resume" in one_line(error)
    assert not (tmp_path / "file").exists()
    download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    assert server.answers[1:] == [(206, len(BODY) - 300_000)]
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_silent_connection_counts_as_dead(server, tmp_path):
    server.faults = [Fault(after=100_000, stalls=True)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert (206, len(BODY) - 100_000) in server.answers


def test_many_breaks_are_forgiven_while_bytes_arrive(server, tmp_path):
    server.faults = [Fault(after=100_000)] * 8
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert sum(sent for _, sent in server.answers) == len(BODY)


def test_a_server_that_brings_nothing_new_is_given_up(server, tmp_path):
    server.ranges = False
    server.faults = [Fault(after=100_000)] * 50
    with pytest.raises(UserError, match="ended after 100000 of"):
        download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert len(server.answers) <= 4


@pytest.mark.parametrize("what", ["ranges", "validators"])
def test_without_ranges_or_validators_it_starts_again(server, tmp_path, what):
    setattr(server, what, False)
    server.faults = [Fault(after=300_000)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.answers == [(200, 300_000), (200, len(BODY))]


@pytest.mark.parametrize("splices", [False, True])
@pytest.mark.parametrize("size", [len(BODY), 200_000])
def test_a_file_that_changed_meanwhile_is_not_spliced(server, tmp_path, splices, size):
    server.splices = splices
    server.faults = [Fault(after=300_000)]
    with pytest.raises(UserError):
        download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    server.files["/file"] = new = BODY[::-1][:size]
    if splices and size < 300_000:
        server.faults = [Fault(status=416)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == new


@pytest.mark.parametrize("claimed", [len(BODY) + 5])
def test_less_than_the_promised_length_is_not_a_file(server, tmp_path, claimed):
    server.validators = False
    server.faults = [Fault(length=claimed)] * 9
    with pytest.raises(UserError) as error:
        download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert f"after {len(BODY)} of {claimed} bytes: run the same command again" in one_line(error)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("fault", "words", "requests"),
    [
        (Fault(status=404), "the server says 404 Not Found", 1),
        (Fault(status=500), "the server says 500 Internal Server Error", 3),
        (Fault(kind="text/html; charset=utf-8"), "leads to a web page", 1),
        (Fault(location="file:///etc/passwd"), "says 302", 1),
        (Fault(location="ftp://127.0.0.1/file"), "redirected to ftp://", 1),
        (Fault(length=1 << 60), "make room", 1),
    ],
)
def test_refusals_are_one_line_and_cost_nothing_that_arrived(server, tmp_path, fault, words, requests):
    server.faults = [Fault(after=300_000)]
    with pytest.raises(UserError):
        download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    server.ranges = fault.length is None
    server.faults, server.answers = [fault] * requests, []
    with pytest.raises(UserError) as error:
        download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert words in one_line(error)
    assert len(server.answers) == requests
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.partial").read_bytes() == BODY[:300_000]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/file", "file:///etc/hostname", "data/file", "http://127.0.0.1/a b"])
def test_what_is_no_web_address_is_named(tmp_path, url):
    with pytest.raises(UserError, match="web address"):
        download(url, tmp_path / "file", HASTY)
    assert not tree(tmp_path)


def test_no_server_at_all(tmp_path):
    with pytest.raises(UserError, match=r"no connection \(.*refused"):
        download("http://127.0.0.1:9/file", tmp_path / "file", HASTY)


def test_a_full_disk_is_said(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"cannot write .*file: No space left on device"):
        download(f"{server.url}/file", tmp_path / "file", HASTY)


def test_a_download_that_only_lacks_its_name_is_not_repeated(server, tmp_path):
    """A kill may come between the last byte and the name."""
    server.faults = [Fault(after=300_000)]
    with pytest.raises(UserError):
        download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    (tmp_path / "file.partial").write_bytes(BODY)
    download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.answers[1:] == [(416, 0)]
    assert tree(tmp_path) == {"file"}
