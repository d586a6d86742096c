"""A local web server that misbehaves on request and records what it sent."""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple


class Fault(NamedTuple):
    """A fault in the answer to one request."""

    status: int = 0  # an error instead of the file
    after: int | None = None  # bytes of the body after which the connection drops
    stalls: bool = False  # whether the connection stays open but silent instead
    length: int | None = None  # a wrong Content-Length
    location: str = ""  # a redirect
    kind: str = "application/octet-stream"


class Server:
    """Serves `files` by path. The n-th request gets the n-th of `faults`; later requests get none.

    Attributes:
      answers: status and bytes of body, of each request; noted before they go out, so that no client is faster.
      ranges: whether Range is honoured.
      validators: whether ETag and Last-Modified are sent.
      splices: whether If-Range is ignored.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.answers: list[tuple[int, int]] = []
        self.ranges = self.validators = True
        self.splices = False
        self.closing = threading.Event()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        fault = self.faults.pop(0) if self.faults else Fault()
        body = self.files.get(handler.path)
        if fault.status or body is None:
            self.answers.append((fault.status or 404, 0))
            handler.send_error(fault.status or 404)
            return
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        start, asked = 0, re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if asked and self.ranges and (self.splices or handler.headers.get("If-Range") in (None, etag)):
            start = int(asked[1])
        if start and start == len(body):
            self.answers.append((416, 0))
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.end_headers()
            return
        status = 302 if fault.location else 206 if start else 200
        rest = body[start:] if fault.after is None else body[start : start + fault.after]
        self.answers.append((status, len(rest)))
        handler.send_response(status)
        handler.send_header("Content-Type", fault.kind)
        handler.send_header("Content-Length", str(len(body) - start if fault.length is None else fault.length))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.validators:
            handler.send_header("ETag", etag)
        if fault.location:
            handler.send_header("Location", fault.location)
        handler.end_headers()
        with suppress(OSError):  # the client may have closed the connection
            handler.wfile.write(rest)
        if fault.stalls:
            handler.wfile.flush()
            self.closing.wait()


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        server = Server(f"http://127.0.0.1:{httpd.server_port}")
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            httpd.shutdown()
            thread.join()
