"""JSON of strangers: a key that is written twice in one object is an error, not a silent loss."""

from typing import Any


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, as `json.loads(..., object_pairs_hook=unique_keys)` wants it.

    Raises ValueError where a key is there twice: a parser keeps the last value and drops the others.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{key[:100]!r} is there twice")
            seen.add(key)
    return found
