"""Messages that have arrived at one endpoint of a client's round."""

from collections import deque
from typing import Any

import simpy


class Mailbox:
    """Messages that have arrived at one endpoint, in order; at most one receiver waits."""

    __slots__ = ("_contents", "_env", "_waiting")

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._contents: deque[Any] = deque()
        self._waiting: simpy.Event | None = None

    def put(self, content: Any) -> bool:
        """Deliver; returns whether somebody was waiting for it."""
        if self._waiting is None:
            self._contents.append(content)
            return False
        waiting, self._waiting = self._waiting, None
        waiting.succeed(content)
        return True

    def get(self) -> simpy.Event:
        """Return an event that succeeds with the next message's content."""
        event = self._env.event()
        if self._contents:
            event.succeed(self._contents.popleft())
        else:
            assert self._waiting is None, "two receivers wait at one endpoint"
            self._waiting = event
        return event
