"""The pieces, bytes and values of a profile, from repeated calls."""

from collections.abc import Iterator

from cutlayer.topologies.bandwidth import Profile


def pieces(
    profile: Profile, until: float, start: float = 0.0
) -> Iterator[tuple[float, float, float]]:
    """Return the pieces up to a time: begin, end, value."""
    t = start
    while t < until:
        value, end = profile.piece(t)
        assert end > t
        yield t, min(end, until), value
        t = end


def integral(profile: Profile, until: float, start: float = 0.0) -> float:
    """Return the bytes that the profile delivers."""
    return sum(value * (end - begin) for begin, end, value in pieces(profile, until, start))


def at(profile: Profile, *times: float) -> list[float]:
    """Return the values at some times."""
    return [profile.piece(t)[0] for t in times]
