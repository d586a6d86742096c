"""Turns SIGTERM and SIGINT into a request to stop, so that the step is finished and the state saved first."""

import signal
import threading
import types

STOPPED = 75
"""Exit status of a run that a signal stopped and that the same command resumes (EX_TEMPFAIL)."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """In this context the first SIGTERM or SIGINT only sets `received`; a second one has its usual effect.

    Only the main thread gets signals: in another one, the context has no effect.

    Contexts can be nested: a signal sets `received` in all of them, and an inner context starts with the outer one's.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def __enter__(self) -> "StopRequest":
        main = threading.current_thread() is threading.main_thread()
        self._previous = {number: signal.signal(number, self._receive) for number in _SIGNALS if main}
        if outer := self._outer():
            self.received = outer.received
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: types.FrameType | None) -> None:
        self.received = signal.Signals(number)
        for other, handler in self._previous.items():
            signal.signal(other, handler)
        if outer := self._outer():
            outer._receive(number, frame)

    def _outer(self) -> "StopRequest | None":
        owner = getattr(self._previous.get(_SIGNALS[0]), "__self__", None)
        return owner if isinstance(owner, StopRequest) else None
