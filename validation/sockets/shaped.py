"""A small network of namespaces: clients and a server around a router, every link shaped by tbf.

Each node is a network namespace; a veth pair leads to the router's. A token bucket (`tc ... tbf`) at
the sending end of each direction sets its rate. The bucket holds two frames, so that bursts are short.
Needs root, `ip` and `tc`.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

FRAME_BYTES = 1514
BUCKET_BYTES = 2 * FRAME_BYTES
QUEUE_S = 0.05


class CannotShapeError(Exception):
    """This machine cannot create shaped namespaces; the message has the reason."""


@dataclass(frozen=True)
class Shape:
    """The link of a node to the router: bits/s in each direction."""

    up: float
    down: float


def _queue(bits_per_s: float) -> int:
    """Return the size of a queue in bytes: QUEUE_S at that rate, and at least ten frames."""
    return max(10 * FRAME_BYTES, int(bits_per_s / 8 * QUEUE_S))


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotShapeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Shaped:
    """Create namespaces for the server (node 0) and the clients; always remove them at the end.

    With `fair` the server's link has one queue per client (htb classes that borrow unused rate from each
    other) instead of a single first-in-first-out queue.
    """

    def __init__(self, nodes: Sequence[Shape], *, fair: bool = False) -> None:
        self.nodes = nodes
        self.fair = fair
        self._prefix = f"cl{os.getpid() % 100_000}"

    def name(self, node: int) -> str:
        return f"{self._prefix}n{node}"

    @staticmethod
    def address(node: int) -> str:
        return f"10.77.{node}.2"

    def __enter__(self) -> Self:
        for tool in ("ip", "tc"):
            if shutil.which(tool) is None:
                raise CannotShapeError(f"there is no {tool} here: install iproute2")
        if os.geteuid() != 0:
            raise CannotShapeError("making network namespaces needs root")
        self._remove()
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _build(self) -> None:
        router = f"{self._prefix}r"
        run("ip", "netns", "add", router)
        run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for node, shape in enumerate(self.nodes):
            space = self.name(node)
            near, far = f"v{node}", f"w{node}"
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "add", near, "type", "veth", "peer", far)
            run("ip", "-n", space, "link", "set", far, "netns", router)
            run("ip", "-n", space, "addr", "add", f"{self.address(node)}/24", "dev", near)
            run("ip", "-n", router, "addr", "add", f"10.77.{node}.1/24", "dev", far)
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "link", "set", near, "up")
            run("ip", "-n", router, "link", "set", far, "up")
            run("ip", "-n", space, "route", "add", "default", "via", f"10.77.{node}.1")
            run("ip", "netns", "exec", space, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1")
            if self.fair and node == 0:
                self._share(space, near, shape.up, "dst")
                self._share(router, far, shape.down, "src")
            else:
                self._shape(space, near, shape.up)
                self._shape(router, far, shape.down)

    def _shape(self, space: str, device: str, bits_per_s: float) -> None:
        rate = [f"{bits_per_s:.0f}bit", "burst", str(BUCKET_BYTES)]
        tbf = ["tbf", "rate", *rate, "limit", str(_queue(bits_per_s))]
        run("tc", "-n", space, "qdisc", "add", "dev", device, "root", "handle", "1:", *tbf)

    def _share(self, space: str, device: str, bits_per_s: float, end: str) -> None:
        """Give each client its own class and queue on the server's link."""
        clients = range(1, len(self.nodes))
        tc, to = ("tc", "-n", space), ("dev", device)
        bucket = ("burst", str(BUCKET_BYTES), "cburst", str(BUCKET_BYTES))
        whole = f"{bits_per_s:.0f}bit"
        run(*tc, "qdisc", "add", *to, "root", "handle", "1:", "htb", "default", "11")
        root = ("parent", "1:", "classid", "1:1")
        run(*tc, "class", "add", *to, *root, "htb", "rate", whole, "ceil", whole, *bucket)
        for client in clients:
            share, leaf = f"{bits_per_s / len(clients):.0f}bit", f"1:1{client}"
            own = ("parent", "1:1", "classid", leaf, "htb", "rate", share, "ceil", whole)
            run(*tc, "class", "add", *to, *own, *bucket, "quantum", str(FRAME_BYTES))
            queue = ("parent", leaf, "bfifo", "limit", str(_queue(bits_per_s)))
            run(*tc, "qdisc", "add", *to, *queue)
            match = ("u32", "match", "ip", end, f"10.77.{client}.0/24", "flowid", leaf)
            run(*tc, "filter", "add", *to, "parent", "1:", "protocol", "ip", "prio", "1", *match)

    def _remove(self) -> None:
        for name in (f"{self._prefix}r", *(self.name(node) for node in range(len(self.nodes)))):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
