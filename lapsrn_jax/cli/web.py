"""`lapsrn web`: serves the page that enlarges pictures in a browser, on this machine only."""

import argparse
import functools
import http.server
import pathlib
from typing import Any

from lapsrn_jax.errors import UserError

PAGE = pathlib.Path(__file__).parents[1] / "page"  # `make web` builds it
HOST = "127.0.0.1"


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("web", help="serve the page that enlarges pictures in a browser, on this machine only")
    parser.add_argument("--port", type=_port, default=8765, help="port, or 0 for a free one (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Serves the page until the command is interrupted.

    Raises:
      UserError: the page is not built, or the port is taken.
    """
    if not (PAGE / "index.html").exists():
        raise UserError(
            "this installation has no page: run `make web` in the repository, and install the package again"
        )
    try:
        server = http.server.ThreadingHTTPServer((HOST, options.port), functools.partial(_Handler, directory=str(PAGE)))
    except OSError as error:
        raise UserError(f"cannot serve on port {options.port} ({error.strerror}): choose another with --port") from None
    with server:
        print(f"http://{HOST}:{server.server_port}/ (Ctrl-C stops it)", flush=True)
        server.serve_forever()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, a number from 0 to 65535")
    return int(text)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files with the headers that threads in WebAssembly need."""

    protocol_version = "HTTP/1.1"
    # The system's table may say otherwise, and browsers insist on these.
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """Adds the headers. Called by the base class."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")  # a new version shows at once; unchanged files are not sent again
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing for a request. Called by the base class."""
