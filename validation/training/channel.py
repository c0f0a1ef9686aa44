"""Messages over a TCP connection, with exactly the sizes that the simulator counts."""

import contextlib
import fcntl
import queue
import socket
import struct
import termios
import threading
import time

SEND_BUFFER = 256 * 1024
POLL = 1e-4  # seconds between looks at whether all has been acknowledged


def listen(port: int) -> socket.socket:
    with socket.create_server(("", port)) as listening:
        listening.settimeout(600)
        connection, _ = listening.accept()
    return _ready(connection)


def connect(address: str, port: int) -> socket.socket:
    for _ in range(12_000):  # ten minutes
        try:
            return _ready(socket.create_connection((address, port), timeout=10))
        except OSError:
            time.sleep(0.05)
    raise ConnectionError(f"nobody listens at {address}:{port}")


def _ready(connection: socket.socket) -> socket.socket:
    connection.settimeout(600)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    with contextlib.suppress(OSError):  # another congestion control will do: there is little loss
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    return connection


class Channel:
    """A connection that reads incoming bytes at once, like the mailbox of the simulator.

    `expected` has the sizes of the incoming messages, in order. `sent` and `received` count bytes.
    """

    def __init__(self, connection: socket.socket, expected: list[int]) -> None:
        self._connection = connection
        self._arrived: queue.Queue[bytearray | BaseException] = queue.Queue()
        self.sent = 0
        self.received = 0
        self._reader = threading.Thread(target=self._read, args=(expected,), daemon=True)
        self._reader.start()

    def send(self, wire_bytes: int, *parts: memoryview | bytes) -> None:
        """Send the parts, padded to `wire_bytes`; return when the other end has received them."""
        rest = wire_bytes - sum(len(part) for part in parts)
        if rest < 0:
            raise ValueError(f"a message of {wire_bytes} bytes has {-rest} too many")
        for part in (*parts, bytes(rest)):
            if len(part):
                self._connection.sendall(part)
        while struct.unpack("i", fcntl.ioctl(self._connection, termios.TIOCOUTQ, bytes(4)))[0]:
            time.sleep(POLL)
        self.sent += wire_bytes

    def take(self) -> bytearray:
        """Wait for the next message."""
        arrived = self._arrived.get(timeout=600)
        if isinstance(arrived, BaseException):
            raise arrived
        self.received += len(arrived)
        return arrived

    def _read(self, expected: list[int]) -> None:
        try:
            for size in expected:
                message = bytearray(size)
                view = memoryview(message)
                while len(view):
                    got = self._connection.recv_into(view)
                    # Acknowledge at once, so that the sender knows; the option is reset after each use.
                    self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                    if not got:
                        raise ConnectionError("the other end closed early")
                    view = view[got:]
                self._arrived.put(message)
        except OSError as error:
            self._arrived.put(error)
