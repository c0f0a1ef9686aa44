"""Other names of what a scenario names: as the field calls methods, and other spellings.

A resolved scenario, its digests and its results have the catalogue's name; a label stays as written.
"""

import re
import sys
from collections.abc import Collection
from typing import Final

# By their plain spelling, see `plain`.
METHODS: Final = {
    "fedavg": "classic_fl",
    "federatedaveraging": "classic_fl",
    "federatedlearning": "classic_fl",
    "fl": "classic_fl",
    "sfl": "splitfed",
    "sflv1": "splitfed",
    "splitfedv1": "splitfed",
    "splitfedlearning": "splitfed",
    "dpfl": "splitfed",
    "vanilladpfl": "splitfed",
    "sl": "split_learning",
    "splitnn": "split_learning",
    "vanillasl": "split_learning",
    "gkt": "fedgkt",
    "localloss": "local_loss",
    "centralized": "centralised",
    "central": "centralised",
}


def report_renamed(where: str, old: str, new: str) -> None:
    """Write one line on stderr: the old name is still read, the new one should be written."""
    sys.stderr.write(f"{where}: {old} is deprecated: write {new}\n")


def plain(name: str) -> str:
    """Return a name in lower case, without hyphens, underscores and spaces."""
    return re.sub(r"[-_ ]", "", name).lower()


def canonical(name: str, known: Collection[str]) -> str | None:
    """Return the known name that differs from `name` by its spelling only; None without exactly one."""
    if name in known:
        return name
    sought = plain(name)
    found = [one for one in known if plain(one) == sought]
    return found[0] if len(found) == 1 else None


def canonical_method(name: str, known: Collection[str]) -> str | None:
    """Return the known method that `name` means, by its spelling or by one of the field's names."""
    found = canonical(name, known) or METHODS.get(plain(name))
    return found if found in known else None
