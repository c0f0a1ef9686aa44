"""Ctrl-C, SIGTERM, SIGHUP and a closed output end a command in the same way, keeping its results so far.

Each is raised in the main thread as a KeyboardInterrupt. Code that must not be interrupted, such as the
bookkeeping of a finished round, holds them back; long-running work inside it may let them in again.
While a run plays its rounds, the first Ctrl-C only requests a stop, so that these rounds can close.
"""

import atexit
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TextIO, cast

SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
INTERRUPTED: Final = 130  # returned by a command that was interrupted in any of these ways
CLOSED_OUTPUT: Final = 13  # the number of SIGPIPE, which Windows does not have


class Interrupted(KeyboardInterrupt):
    """An interruption by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class _State:
    """The signals received by this process."""

    held = False
    pending: int | None = None
    raised: int | None = None  # in a block of `let_in`, which has not seen it yet
    first: int | None = None
    gentle = False
    requested = False
    lost_output = False
    failed_output = False


def final_code(code: int) -> int:
    """Return the exit code of a command that returned `code`.

    For an interrupted command it is 128 plus the number of the first signal; if standard output could
    not be written, it is 2.
    """
    if code == INTERRUPTED or (code == 0 and _State.lost_output):
        return 2 if _State.failed_output else 128 + (_State.first or signal.SIGINT)
    return code


@contextmanager
def interrupts_handled() -> Iterator[None]:
    """Raise Interrupted in the block on a signal or a closed output; for the command line.

    A signal that the parent process set to be ignored, as nohup does, stays ignored.
    """
    _State.held, _State.pending, _State.first = False, None, None
    _State.lost_output = _State.failed_output = False
    output = sys.stdout
    with _handlers(also_default=True):
        if output is not None:
            sys.stdout = cast(TextIO, _Output(output))
        try:
            yield
        finally:
            sys.stdout = output
            if output is not None:
                _flush(output)


def ignore_at_exit() -> None:
    """Let the process ignore Ctrl-C while it ends: libraries clean up, and would print a traceback."""
    if _in_main_thread():
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


@contextmanager
def gently_stopped() -> Iterator[None]:
    """Let the first Ctrl-C in the block only set `stop_requested()`; a second one interrupts it.

    SIGTERM, SIGHUP and a closed output interrupt the block at once: whoever sends them expects the
    process to end soon, or no longer sees what it does.
    """
    if not _in_main_thread() or _State.gentle:
        yield
        return
    with _handlers(also_default=False):
        _State.gentle, _State.requested = True, False
        try:
            yield
        finally:
            _State.gentle = _State.requested = False


def stop_requested() -> bool:
    """Return whether Ctrl-C has requested, in a block of `gently_stopped`, that no new round begins."""
    return _State.requested


@contextmanager
def held_back() -> Iterator[None]:
    """Delay signals until the block has ended. Only the main thread receives signals."""
    if not _in_main_thread() or _State.held:
        yield
        return
    with _handlers(also_default=False):
        _State.held = True
        try:
            yield
        finally:
            _State.held = False
        _raise_pending()


@contextmanager
def let_in() -> Iterator[None]:
    """Let signals interrupt the block inside a block of `held_back`.

    An interruption is raised again at the end of the block if the block did not end by it: libraries
    discard exceptions in places (numpy, for one, in the look-up of an operand's attributes).
    """
    if not _in_main_thread() or not _State.held:
        yield
        return
    _State.held, _State.raised = False, None
    try:
        _raise_pending()
        yield
        if _State.raised is not None:
            raise Interrupted(_State.raised)
    finally:
        _State.held = True


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _handlers(*, also_default: bool) -> Iterator[None]:
    """Raise Interrupted on Ctrl-C and, with `also_default`, on signals that would end the process."""
    before: dict[int, Any] = {}
    if _in_main_thread():
        for number in SIGNALS:
            handler = signal.getsignal(number)
            ends = handler is signal.SIG_DFL and also_default
            if handler is signal.default_int_handler or ends:
                before[number] = handler
                signal.signal(number, _arrived)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _arrived(number: int, _: FrameType | None) -> None:
    _State.first = _State.first or number
    if number == signal.SIGINT and _State.gentle and not _State.requested:
        _State.requested = True
        return
    if _State.held:
        _State.pending = number
        return
    _State.pending, _State.raised = None, number
    raise Interrupted(number)


def _raise_pending() -> None:
    if _State.pending is not None:
        number, _State.pending = _State.pending, None
        raise Interrupted(number)


class _Output:
    """Standard output that interrupts the command when its reader has gone or the disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise _lost(self._stream, error) from None

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise _lost(self._stream, error) from None


def _flush(output: TextIO) -> None:
    """Write the rest of the output now, so that the interpreter reports no error when it exits."""
    try:
        output.flush()
    except OSError as error:
        _lost(output, error)
    except ValueError:
        return  # already closed


def _lost(output: TextIO, error: OSError) -> Interrupted:
    """Discard all further output; return the interruption to raise."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output.fileno())
    os.close(nowhere)
    _State.lost_output = True
    if error.errno != errno.EPIPE:
        _State.failed_output = True
        sys.stderr.write(f"standard output cannot be written: {error.strerror}\n")
    _State.first = _State.first or CLOSED_OUTPUT
    return Interrupted(CLOSED_OUTPUT)
