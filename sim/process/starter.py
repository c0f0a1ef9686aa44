"""Start worker processes: forked from a process that has done the imports if the system can, else new.

That process, Python's fork server, is started once and serves all pools of the main process.
"""

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Final

from cutlayer.sim.process.python_path import safe_path_for_children

ENDING_S: Final = 5  # how long a killed fork server may take to end


class Starter:
    """Starts processes that Ctrl-C does not reach, by `method`: forkserver or spawn."""

    def __init__(self, preload: Sequence[str], method: str | None = None) -> None:
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self._method = method or ("forkserver" if forks else "spawn")
        self._context: Any = multiprocessing.get_context(self._method)
        self._preload = list(preload)

    def prepare(self) -> None:
        """Start the fork server, which begins its imports, unless it is running.

        Its children inherit its signal mask, which blocks Ctrl-C.
        """
        if self._method == "forkserver":
            from multiprocessing import forkserver

            self._context.set_forkserver_preload(self._preload)
            with safe_path_for_children(), _without_main(), _without_interrupts():
                forkserver.ensure_running()

    def start(
        self, target: Callable[..., None], *arguments: object
    ) -> "tuple[BaseProcess, Connection[Any, Any]]":
        """Start a process that calls `target` with a pipe and the arguments; return it with our end.

        Unlike with `multiprocessing` alone, it does not import the script of the main process, so a
        script needs no `if __name__ == "__main__"`. Raises OSError or EOFError if the fork server dies.
        """
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=target, args=(theirs, *arguments), daemon=True)
        try:
            with safe_path_for_children(), _without_main():
                if self._method == "forkserver":
                    self._fork(process)
                else:
                    with _without_interrupts():
                        process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return process, ours

    def _fork(self, process: BaseProcess) -> None:
        """Start a process once the imports are done, with a new fork server if the old one was killed.

        The system may take a moment to end a killed process, whose socket is closed before.
        """
        for _ in range(ENDING_S * 20):
            self.prepare()
            try:
                process.start()
            except ConnectionRefusedError:
                time.sleep(1 / 20)
            else:
                return
        process.start()


@contextmanager
def _without_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C in processes that are started in the block, from their first instruction on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it unblocks the signal when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
