"""Names of tensors and layers as patterns of a scenario match them, and the matching."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from torch import nn

from cutlayer.models.errors import TuningError
from cutlayer.models.model import Model
from cutlayer.suggestion import suggestion

_OF_BLOCKS: Final = "blocks."


def own_name(module: nn.Module, key: str) -> str:
    """Return the name of a tensor or submodule from its key in a module.

    In a model of blocks it begins with the block's name: `encoder1.attention.qkv` for
    `blocks.1.attention.qkv`. In other modules it is the key.
    """
    if not isinstance(module, Model) or not key.startswith(_OF_BLOCKS):
        return key
    index, _, rest = key.removeprefix(_OF_BLOCKS).partition(".")
    return module.own_name(int(index), rest)


def matching(
    patterns: Sequence[str], names: Mapping[str, str], what: str, path: tuple[str, ...]
) -> set[str]:
    """Return the keys whose names match one of the patterns.

    `names` has the names by key. Raises TuningError, for the field at `path`, if a pattern matches
    none; `what` says what is named.
    """
    found: set[str] = set()
    for pattern in patterns:
        of_pattern = {key for key, name in names.items() if fnmatchcase(name, pattern)}
        if not of_pattern:
            hint = suggestion(pattern, _nearest(pattern, names.values()))
            raise TuningError(f"{pattern!r} matches no {what} of the model{hint}", path)
        found |= of_pattern
    return found


def _nearest(pattern: str, names: Iterable[str]) -> list[str]:
    """Return what may be meant by a pattern that matches none of the names.

    It is the pattern with another first part, if that matches, or names that contain its letters, or
    all names.
    """
    known = list(names)
    rest = pattern[len(pattern.partition(".")[0]) :]
    firsts = dict.fromkeys(name.partition(".")[0] for name in known)
    others = [f"{first}{rest}" for first in firsts if not pattern.startswith("*")]
    fitting = [other for other in others if any(fnmatchcase(name, other) for name in known)]
    letters = pattern.replace("*", "").replace("?", "").strip(".")
    return fitting or [name for name in known if letters and letters in name] or known
