"""Measure rounds of a case and method between two processes in shaped namespaces."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "sockets"))

from cases import PERIOD, Case
from shaped import Shape, Shaped

PEER = Path(__file__).with_name("peer.py")
PORT = 6100
WIDE = 1e10  # bit/s of the server's own link: never the bottleneck
WARM_UP = 2  # rounds that are not counted: memory is mapped, kernels are chosen


@dataclass(frozen=True)
class Measured:
    """Rounds of one type: their seconds, and the seconds of computing on device and server."""

    kind: str
    seconds: list[float]
    device_s: list[float]
    server_s: list[float]


@dataclass(frozen=True)
class Run:
    """The rounds of a case and method by type, the bytes the server sent and received, the losses."""

    kinds: list[Measured]
    rounds: int
    bytes_down: int
    bytes_up: int
    losses: list[float]


def play(case: Case, method: str, rounds: int) -> Run:
    """Train `rounds` rounds after some warm-up rounds. Raises if a process fails."""
    played = rounds + WARM_UP
    cores = sorted(os.sched_getaffinity(0))
    job = {"case": asdict(case), "method": method, "rounds": played, "port": PORT}
    with Shaped((Shape(WIDE, WIDE), Shape(case.up, case.down))) as network:
        address = network.address(0)
        jobs = {0: ("server", cores[-1]), 1: ("device", cores[0])}
        peers = {}
        try:
            for node, (role, core) in jobs.items():
                peers[node] = _start(
                    network.name(node), job | {"role": role, "core": core, "address": address}
                )
            found = {role: _result(peers[node], role) for node, (role, _) in jobs.items()}
        finally:
            for peer in peers.values():
                peer.kill()
                peer.wait()
    server, device = found["server"], found["device"]
    kinds: dict[str, list[int]] = {}
    for index in range(WARM_UP, played):
        replay = method == "ecofed" and index % PERIOD
        upload = "upload" if method == "ecofed" else "train"
        kinds.setdefault("replay" if replay else upload, []).append(index)
    measured = [
        Measured(
            kind,
            [server["seconds"][i] for i in indices],
            [device["computed"][i] for i in indices],
            [server["computed"][i] for i in indices],
        )
        for kind, indices in kinds.items()
    ]
    return Run(measured, played, server["sent"], server["received"], server["losses"])


def _start(space: str, job: dict[str, object]) -> subprocess.Popen[bytes]:
    command = ["ip", "netns", "exec", space, sys.executable, str(PEER)]
    peer = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PEER.parent,
    )
    assert peer.stdin is not None
    peer.stdin.write(json.dumps(job).encode())
    peer.stdin.close()
    peer.stdin = None
    return peer


def _result(peer: subprocess.Popen[bytes], role: str) -> dict[str, list[float]]:
    out, err = peer.communicate(timeout=900)
    if peer.returncode:
        raise RuntimeError(f"the {role} failed: {err.decode()[-1500:]}")
    return json.loads(out)
