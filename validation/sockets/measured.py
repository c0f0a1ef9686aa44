"""Measure the transfers of a case over real sockets in shaped namespaces."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cases import Case
from shaped import Shaped

AGENT = Path(__file__).with_name("agent.py")
PREPARATION_S = 0.8  # to start the agents and open all connections


def ends(case: Case, *, fair: bool = False) -> list[float]:
    """Return when each transfer's last byte was received, seconds after its own start."""
    with Shaped((case.server, *case.clients), fair=fair) as network:
        begin = time.monotonic() + PREPARATION_S
        jobs: dict[int, list[dict[str, Any]]] = {node: [] for node in range(1 + len(case.clients))}
        for index, transfer in enumerate(case.transfers):
            common = {
                "id": str(index),
                "size": transfer.size,
                "rounds": max(1, transfer.rounds),
                "start": begin + transfer.start,
                "port": 6000 + index,
            }
            if transfer.rounds:
                kinds = ("ask", "answer")
            else:
                kinds = ("send", "take") if transfer.up else ("take", "send")
            peer = network.address(0)
            jobs[transfer.client].append(common | {"kind": kinds[0], "peer": peer})
            jobs[0].append(common | {"kind": kinds[1], "peer": None})
        results = _play(network, jobs)
    receiver = [
        (transfer.client if transfer.rounds or not transfer.up else 0)
        for transfer in case.transfers
    ]
    return [results[node][str(index)] for index, node in enumerate(receiver)]


def _play(network: Shaped, jobs: dict[int, list[dict[str, Any]]]) -> dict[int, dict[str, float]]:
    agents = {}
    try:
        for node, its_jobs in jobs.items():
            command = ["ip", "netns", "exec", network.name(node), sys.executable, "-S", str(AGENT)]
            agent = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert agent.stdin is not None
            agent.stdin.write(json.dumps(its_jobs).encode())
            agent.stdin.close()
            agent.stdin = None
            agents[node] = agent
        results = {}
        for node, agent in agents.items():
            out, err = agent.communicate(timeout=900)
            if agent.returncode:
                raise RuntimeError(f"node {node}: {err.decode()[-500:]}")
            results[node] = json.loads(out)
        return results
    finally:
        for agent in agents.values():
            agent.kill()
            agent.wait()
