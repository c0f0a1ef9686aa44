"""The transfers of each case: single, concurrent, staggered, over a star, and ping-pong."""

from dataclasses import dataclass

from shaped import Shape

MBIT = 1e6
WIDE = 200 * MBIT  # wide enough never to be the bottleneck
ACTIVATION = 327_680  # bytes: a batch of 10 activations of 64 x 16 x 16 floats, halved for speed


@dataclass(frozen=True)
class Transfer:
    """A transfer of `size` bytes between client `client` (1, 2, ...) and the server, from `start` s.

    With `rounds` the bytes go up and down in turn, that many times.
    """

    client: int
    size: int
    start: float = 0.0
    up: bool = True
    rounds: int = 0


@dataclass(frozen=True)
class Case:
    """Transfers over a star: the server's link, and each client's."""

    name: str
    kind: str
    server: Shape
    clients: tuple[Shape, ...]
    transfers: tuple[Transfer, ...]


def _wide(count: int) -> tuple[Shape, ...]:
    return (Shape(WIDE, WIDE),) * count


def _alone(size: int, mbit: float, up: bool = True) -> Case:
    direction = "up" if up else "down"
    shape = Shape(mbit * MBIT, mbit * MBIT)
    text = f"{size / 1000:g} kB {direction} at {mbit:g} Mbit/s"
    return Case(text, "alone", Shape(WIDE, WIDE), (shape,), (Transfer(1, size, up=up),))


def _sharing(count: int, size: int, mbit: float) -> Case:
    server = Shape(mbit * MBIT, mbit * MBIT)
    transfers = tuple(Transfer(client + 1, size) for client in range(count))
    return Case(f"{count} x {size / 1e6:g} MB", "sharing", server, _wide(count), transfers)


ALONE = (
    _alone(10_000, 5),
    _alone(100_000, 5),
    _alone(100_000, 20, up=False),
    _alone(1_000_000, 10),
    _alone(1_000_000, 50),
    _alone(3_000_000, 20, up=False),
    _alone(30_000_000, 50),
)
SHARING = (_sharing(2, 1_000_000, 10), _sharing(4, 1_000_000, 20), _sharing(8, 1_000_000, 40))
STAGGERED = (
    Case(
        "4 x 1 MB, one each 0.4 s",
        "staggered",
        Shape(20 * MBIT, 20 * MBIT),
        _wide(4),
        tuple(Transfer(i + 1, 1_000_000, start=0.4 * i) for i in range(4)),
    ),
    Case(
        "2 MB, and 0.5 MB after 0.5 s",
        "staggered",
        Shape(10 * MBIT, 10 * MBIT),
        _wide(2),
        (Transfer(1, 2_000_000), Transfer(2, 500_000, start=0.5)),
    ),
)
STAR = (
    Case(
        "2, 5, 10, 20 Mbit/s onto 20",
        "star",
        Shape(20 * MBIT, 20 * MBIT),
        tuple(Shape(r * MBIT, r * MBIT) for r in (2, 5, 10, 20)),
        tuple(
            Transfer(i + 1, size)
            for i, size in enumerate((500_000, 1_000_000, 2_000_000, 2_000_000))
        ),
    ),
    Case(
        "3 down, 3, 8 and 20 Mbit/s from 20",
        "star",
        Shape(20 * MBIT, 20 * MBIT),
        tuple(Shape(20 * MBIT, r * MBIT) for r in (3, 8, 20)),
        tuple(
            Transfer(i + 1, size, up=False)
            for i, size in enumerate((600_000, 1_500_000, 2_000_000))
        ),
    ),
)


def ping_pong(rounds: int) -> Case:
    """Return the pattern of split training: an activation up, its gradient down, repeatedly."""
    shape = Shape(50 * MBIT, 50 * MBIT)
    transfers = (Transfer(1, ACTIVATION, rounds=rounds),)
    return Case(
        f"{rounds} x 327,680 B up and down", "ping-pong", Shape(WIDE, WIDE), (shape,), transfers
    )


ALL = (*ALONE, *SHARING, *STAGGERED, *STAR, ping_pong(100))
QUICK = (ALONE[1], SHARING[1], STAR[0], ping_pong(20))
