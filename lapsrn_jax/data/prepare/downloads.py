"""Resumable downloads over HTTP.

NAME.partial holds the data of an incomplete download. NAME.partial.version beside it holds the server's identifier of
that version of the file: its ETag, or else its date. A download resumes only if the identifier still matches, so that
two versions are never spliced. Without an identifier it starts over.
"""

import dataclasses
import http.client
import os
import pathlib
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import tqdm

from lapsrn_jax.errors import UserError

_CHUNK = 1 << 16


@dataclasses.dataclass(frozen=True)
class Patience:
    """When to retry and when to give up.

    Attributes:
      timeout: seconds without data after which a connection counts as dead.
      attempts: number of consecutive attempts without progress before giving up.
      pause: seconds before the second attempt; each further pause is twice as long.
    """

    timeout: float = 30
    attempts: int = 5
    pause: float = 1


PATIENT = Patience()


def download(url: str, path: pathlib.Path, patience: Patience = PATIENT, progress: bool = True) -> None:
    """Downloads `url` to `path`, which appears only when complete. Partial data is kept for the next call.

    Args:
      url: an http or https address, which may only redirect to such addresses.
      path: the file, in an existing folder; an existing file is replaced.
      patience: retry policy.
      progress: whether to show a bar with bytes, speed and time left.

    Raises:
      UserError: the address is not HTTP, the server does not have or does not deliver the file, or the file cannot be
        written.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url} is not a web address: it must begin with http:// or https://")
    partial = path.with_name(f"{path.name}.partial")
    version = path.with_name(f"{path.name}.partial.version")
    failures, furthest = 0, _size(partial)
    try:
        while True:
            try:
                _attempt(url, partial, version, patience.timeout, progress)
                break
            except _Complete:
                break
            except _Interrupted as interruption:
                failures = failures + 1 if _size(partial) <= furthest else 1
                furthest = max(furthest, _size(partial))
                if failures >= patience.attempts:
                    kept = f"; {_size(partial)} bytes are kept" if _known(version) else ""
                    raise UserError(f"{url}: {interruption}{kept}: run the same command again to resume") from None
                pause = patience.pause * 2 ** (failures - 1)
                print(f"{path.name}: {interruption}; trying again in {pause:g} s", file=sys.stderr)
                time.sleep(pause)
        os.replace(partial, path)
        version.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


class _Interrupted(Exception):
    """An attempt ended early in a way that another attempt may fix."""


class _Complete(Exception):
    """The partial file has everything. A kill came before it got its name."""


def _attempt(url: str, partial: pathlib.Path, version: pathlib.Path, timeout: float, progress: bool) -> None:
    """Appends the missing part of `url` to `partial`, or starts over. An `OSError` comes from the disk."""
    known = _known(version)
    have = _size(partial) if known else 0
    headers = {"User-Agent": "lapsrn_jax"} | ({"Range": f"bytes={have}-", "If-Range": known} if have else {})
    with _open(urllib.request.Request(url, headers=headers), timeout, version) as response:
        if response.headers.get_content_type() == "text/html":
            raise UserError(f"{url} leads to a web page, not to a file: check the address and the network")
        start, total = _extent(response)
        current = _version(response)
        if response.status == 206 and (start != have or current not in ("", known)):
            version.unlink(missing_ok=True)
            raise _Interrupted("the server continued with a different file")
        if total is not None and total - start > (free := shutil.disk_usage(partial.parent).free):
            raise UserError(f"{partial.parent} has {free} bytes free, {url} needs {total - start}: make room")
        if response.status == 200:
            version.unlink(missing_ok=True)
            partial.write_bytes(b"")
            version.write_text(current)
        with (
            partial.open("ab") as file,
            tqdm.tqdm(total=total, initial=start, desc=partial.stem, unit="B", unit_scale=True, disable=not progress)
            as bar,
        ):  # fmt: skip
            while chunk := _read(response):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and _size(partial) != total:
        raise _Interrupted(f"the connection ended after {_size(partial)} of {total} bytes")


def _open(request: urllib.request.Request, timeout: float, version: pathlib.Path) -> http.client.HTTPResponse:
    try:
        return _OPENER.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        says = f"the server says {error.code} {' '.join(str(error.reason).split())}"
        if error.code == 416:  # the file is not longer than our part of it
            length = error.headers.get("Content-Range", "").removeprefix("bytes */")
            if request.get_header("Range") == f"bytes={length}-" and _version(error) in ("", _known(version)):
                raise _Complete from None
            version.unlink(missing_ok=True)  # it has changed
        if error.code in (408, 416, 425, 429) or error.code >= 500:
            raise _Interrupted(says) from None
        raise UserError(f"{request.full_url}: {says}: check the address") from None
    except (http.client.InvalidURL, ValueError):
        raise UserError(f"{request.full_url} is not a valid web address") from None
    except urllib.error.URLError as error:
        raise _Interrupted(f"no connection ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"no answer ({error or type(error).__name__})") from None


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)  # on a timeout, read() would lose the data received so far
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke ({error or type(error).__name__})") from None


def _extent(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Returns where in the file the body begins, -1 if unknown, and the length of the file, in bytes."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        return (int(match[1]), int(match[2])) if match else (-1, None)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _version(response: http.client.HTTPResponse | urllib.error.HTTPError) -> str:
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):  # a weak ETag does not guarantee the same bytes
        return etag
    return response.headers.get("Last-Modified", "")


def _known(version: pathlib.Path) -> str:
    return version.read_text() if version.exists() else ""


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _HttpOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to HTTP and HTTPS only; urllib's own handler also follows them to FTP."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if urllib.parse.urlsplit(newurl).scheme not in ("http", "https"):
            raise urllib.error.HTTPError(req.full_url, code, f"redirected to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_HttpOnly)
