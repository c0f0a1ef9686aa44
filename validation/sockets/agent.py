"""One end of real transfers, run in a namespace: reads jobs from stdin and prints their times.

A job is {"id", "kind", "size", "rounds", "start", "port", "peer"}; times are CLOCK_MONOTONIC, which all
namespaces of a machine share. Kinds: `send` and `take` are the ends of a one-way transfer, `ask` and
`answer` those of a ping-pong: `rounds` times `size` bytes there and `size` bytes back.
"""

import json
import socket
import sys
import threading
import time

CHUNK = bytes(65536)
PATIENCE_S = 300  # for the other end, whatever else the machine does


def push(connection: socket.socket, size: int) -> None:
    while size:
        size -= connection.send(CHUNK[: min(size, len(CHUNK))])


def pull(connection: socket.socket, size: int) -> None:
    buffer = bytearray(len(CHUNK))
    while size:
        got = connection.recv_into(buffer, min(size, len(buffer)))
        if not got:
            raise ConnectionError("the other end closed early")
        size -= got


def connected(job: dict) -> socket.socket:
    """Return the connection of a job, opened before its start; `peer` is None for the listener."""
    if job["peer"] is None:
        with socket.create_server(("", job["port"])) as listening:
            listening.settimeout(PATIENCE_S)
            connection, _ = listening.accept()
    else:
        limit = time.monotonic() + PATIENCE_S
        while True:
            try:
                connection = socket.create_connection((job["peer"], job["port"]), timeout=10)
                break
            except OSError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.02)
    connection.settimeout(PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    return connection


def work(job: dict, results: dict) -> None:
    with connected(job) as connection:
        time.sleep(max(0.0, job["start"] - time.monotonic()))
        for _ in range(job["rounds"]):
            if job["kind"] in ("send", "ask"):
                push(connection, job["size"])
            if job["kind"] in ("take", "ask", "answer"):
                pull(connection, job["size"])
            if job["kind"] == "answer":
                push(connection, job["size"])
        results[job["id"]] = time.monotonic() - job["start"]
        if job["kind"] == "send":  # wait for the other end, so that nothing is cut off
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)


def main() -> None:
    jobs = json.load(sys.stdin)
    results: dict[str, float] = {}
    threads = [threading.Thread(target=work, args=(job, results)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
