"""Which cuts a method can work with, said in one sentence when it cannot."""


def needs_both_blocks(method: str, cut: int, last: int) -> str | None:
    """Return a complaint unless both device and server block are non-empty."""
    if 1 <= cut <= last - 1:
        return None
    return f"{method} needs a cut between 1 and {last - 1}, so that device and server have a block each"
