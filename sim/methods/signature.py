"""The signature of a round: a value of everything in a round and its method that affects timing.

It has the round's type and notes, the method's attributes, and for each member its batches and the
states that its chain reads and writes. They are compared by value, so that a list that changes in place
makes a difference. If one of them cannot be compared, the round is not repeatable, and is always played.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import numpy as np
from pydantic import BaseModel

from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.state_key import LOCAL, OPTIMIZER, StateKey

SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
SEQUENCES: Final = (list, tuple, deque)
SETS: Final = (set, frozenset)
MAPPINGS: Final = (dict, defaultdict, Counter, OrderedDict)
OWN: Final = -2  # instead of a client's index, in the states of its own chain


class UnrepeatableError(Exception):
    """A round or its method has a value that cannot be compared with that of another round."""


def signature(
    chains: Sequence[Chain],
    participants: Sequence[int],
    named: Sequence[Mapping[str, Any]],
    untimed: tuple[str, ...],
) -> Hashable:
    """Return a value of the declarations of chains and of the `named` values, without `untimed` ones.

    Raises UnrepeatableError if one of them cannot be compared.
    """
    ignored = (*untimed, OPTIMIZER, LOCAL)

    def declared(chain: Chain) -> Hashable:
        return declaration(chain, participants, ignored)

    kept = [{k: v for k, v in values.items() if k not in ignored} for values in named]
    return (
        tuple([declaration(chain, participants, ignored) for chain in chains]),
        tuple([frozen(values, declared) for values in kept]),
    )


def frozen(value: Any, chain: Callable[[Chain], Hashable]) -> Hashable:
    """Return an immutable equivalent of a value; `chain` returns that of a chain.

    Raises UnrepeatableError for anything but numbers, texts, arrays, chains, collections and
    dataclasses.
    """
    type_ = type(value)
    if type_ in SCALARS:
        return type_, value  # 1, 1.0 and True are equal in Python
    if type_ is Chain:
        return chain(value)
    if type_ in SEQUENCES and SCALARS.issuperset(types := tuple(map(type, value))):
        return type_, types, tuple(value)
    if type_ in SEQUENCES or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return type_, tuple(frozen(item, chain) for item in value)
    if type_ in SETS:
        return type_, frozenset(frozen(item, chain) for item in value)
    if type_ in MAPPINGS:
        return type_, tuple((frozen(k, chain), frozen(v, chain)) for k, v in value.items())
    if isinstance(value, Enum):
        return type_, value.name
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return type_, str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, BaseModel) and value.model_config.get("frozen"):
        with suppress(TypeError):  # a field is a list
            hash(value)
            return type_, value
    if isinstance(value, BaseModel) or (is_dataclass(value) and hasattr(value, "__dict__")):
        return type_, frozen(vars(value), chain)
    raise UnrepeatableError(f"{type_.__name__} cannot be compared by value")


def declaration(chain: Chain, participants: Sequence[int], ignored: tuple[str, ...]) -> Hashable:
    """Return the states that a chain declares, owned by members (0, 1, ...) instead of clients.

    States of the `ignored` parts or kinds are left out.
    """
    states = chain.reads, chain.averages, chain.writes
    declared, of_others = _declared(states, chain.client, ignored)
    if not of_others:
        return chain.cut, declared
    members: dict[int | str | None, int | str | None] = {c: m for m, c in enumerate(participants)}
    return chain.cut, tuple(
        tuple((key, members.get(owner, owner), owner in members) for key, owner in keys)
        for keys in declared
    )


@lru_cache(maxsize=4096)
def _declared(
    states: tuple[tuple[StateKey, ...], ...], client: int, ignored: tuple[str, ...]
) -> tuple[tuple[tuple[tuple[StateKey, int | str | None], ...], ...], bool]:
    """Return pairs of a state without owner and its owner, and whether another client owns any."""
    kept = [[k for k in keys if not {k.part, k.kind} & {*ignored}] for keys in states]
    declared = tuple(
        tuple((k._replace(owner=None), OWN if k.owner == client else k.owner) for k in keys)
        for keys in kept
    )
    return declared, any(
        isinstance(k.owner, int) and k.owner != client for keys in kept for k in keys
    )
