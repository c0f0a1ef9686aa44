"""Other names in scenarios: old keys and values, the literature's names of methods, other spellings.

A resolved scenario, its digests and its results have the present name; a label stays as written.
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Final

from cutlayer.scenarios.document import Origin
from cutlayer.scenarios.problems import KeyPath, dotted, printable

# By their plain spelling, see `plain`.
_SPELLINGS: Final = {
    "classic_fl": ("fedavg", "federatedaveraging", "federatedlearning", "fl"),
    "splitfed": ("sfl", "sflv1", "splitfedv1", "splitfedlearning", "dpfl", "vanilladpfl"),
    "splitfed_v2": ("sflv2", "splitfedv2"),
    "split_learning": ("sl", "splitnn", "vanillasl"),
    "fedgkt": ("gkt",),
    "local_loss": ("localloss",),
    "centralised": ("centralized", "central"),
}
METHODS: Final = {name: method for method, names in _SPELLINGS.items() for name in names}

# Keys and values of version 0.1 that are still read. `*` stands for one key or entry.
OLD_KEYS: Final = {
    "availability.*.on_loss": "on_disconnect",
    "computing.*.jitter": "variability",
    "topology.*.server.discipline.batching.most": "max_jobs",
    "topology.*.server.discipline.batching.wait": "max_wait",
    "topology.two_tier.edges": "edge_nodes",
    "topology.three_tier.regions.*.edges": "edge_nodes",
    "transport.tcp.loss": "loss_model",
    "transports.*.transport.tcp.loss": "loss_model",
}
OLD_PROFILE_KEYS: Final = {
    "optimiser_bandwidth": "optimizer_bandwidth",
    "optimiser_overhead": "optimizer_overhead",
}
OLD_VALUES: Final = {"availability.*.on_disconnect": {"lost": "drop"}}

_reported: set[str] = set()


def report_renamed(where: str, old: str, new: str) -> None:
    """Report on stderr, once per process, that an old name was read, and the new one."""
    report_once(f"{where}: {old} is deprecated: write {new}")


def report_once(text: str) -> None:
    """Print a line on stderr, once per process."""
    line = printable(text)
    if line not in _reported:
        _reported.add(line)
        sys.stderr.write(f"{line}\n")


def rename_old(
    data: Any,
    origins: MutableMapping[KeyPath, Origin],
    source: str,
    old_keys: Mapping[str, str] = OLD_KEYS,
) -> None:
    """Replace old keys and values in a scenario's plain data by their present names, in place.

    If a section has the old key and the present one, the old one stays, and the schema refuses it.
    `source` stands for the file if `origins` do not have the path.
    """
    for pattern, new in old_keys.items():
        *section, old = pattern.split(".")
        for path, node in _matching(data, section):
            if isinstance(node, dict) and old in node and new not in node:
                _report(origins, source, (*path, old), old, new)
                renamed = [(new if key == old else key, value) for key, value in node.items()]
                node.clear()
                node.update(renamed)
                _move_origins(origins, (*path, old), (*path, new))
    for pattern, values in OLD_VALUES.items():
        *section, key = pattern.split(".")
        for path, node in _matching(data, section):
            value = node.get(key) if isinstance(node, dict) else None
            if isinstance(value, str) and value in values:
                _report(origins, source, (*path, key), value, values[value])
                node[key] = values[value]


def current_path(path: str, where: str) -> str:
    """Return a dotted path, as in `--set`, with the present names; report old ones at `where`."""
    keys = path.split(".")
    for pattern, new in OLD_KEYS.items():
        old = pattern.split(".")
        if fits(old, keys[: len(old)]):
            report_renamed(f"{where}: {path}", old[-1], new)
            keys[len(old) - 1] = new
    return ".".join(keys)


def fits(pattern: Sequence[str], path: Sequence[str | int]) -> bool:
    """Whether a path is that of a pattern, whose `*` stand for one key or entry each."""
    return len(pattern) == len(path) and all(
        sought in ("*", key) for sought, key in zip(pattern, path, strict=True)
    )


def _matching(node: Any, pattern: list[str], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the nodes at a path with `*` for any key or entry."""
    if not pattern:
        yield path, node
        return
    children: dict[Any, Any] = node if isinstance(node, dict) else {}
    if isinstance(node, list):
        children = dict(enumerate(node))
    for key in list(children) if pattern[0] == "*" else [pattern[0]]:
        if key in children:
            yield from _matching(children[key], pattern[1:], (*path, key))


def _report(
    origins: MutableMapping[KeyPath, Origin], source: str, path: KeyPath, old: str, new: str
) -> None:
    origin = origins.get(path, Origin(source, None))
    line = "" if origin.line is None else f":{origin.line}"
    report_renamed(f"{origin.source}{line}: {dotted(path)}", old, new)


def _move_origins(origins: MutableMapping[KeyPath, Origin], old: KeyPath, new: KeyPath) -> None:
    for path in [path for path in origins if path[: len(old)] == old]:
        origins[(*new, *path[len(old) :])] = origins.pop(path)


def plain(name: str) -> str:
    """Return a name in lower case, without hyphens, underscores and spaces."""
    return re.sub(r"[-_ ]", "", name).lower()


def canonical(name: str, known: Collection[str]) -> str | None:
    """Return the known name that differs from `name` only in spelling; None unless there is one."""
    if name in known:
        return name
    sought = plain(name)
    matches = [one for one in known if plain(one) == sought]
    return matches[0] if len(matches) == 1 else None


def canonical_method(name: str, known: Collection[str]) -> str | None:
    """Return the known method for a name or another spelling of it, or for one of `METHODS`."""
    method = canonical(name, known) or METHODS.get(plain(name))
    return method if method in known else None
