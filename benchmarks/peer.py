"""A peer process that runs another program and answers each line of input with a line of JSON."""

import json
import pathlib
import subprocess
from typing import Any


class Peer:
    """A script of this folder, run by another interpreter. It first sends a description of itself, `about`."""

    def __init__(self, python: str, script: str, *arguments: object) -> None:
        command = [python, str(pathlib.Path(__file__).with_name(script)), *map(str, arguments)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise SystemExit(f"error: cannot run {python}: {error.strerror}; pass a Python interpreter") from None
        self.about = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("error: the peer process ended; see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, line: str) -> dict[str, Any]:
        """Sends a line and returns the answer.

        Raises:
          RuntimeError: the peer reports an error.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
