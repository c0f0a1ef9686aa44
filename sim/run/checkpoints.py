"""Checkpoints: what the committed rounds of a run reported, and the states of the last of them.

They lie in the folder `checkpoint` of a run until its command has finished. A command that continues
the run replays these rounds on the clock and trains the others; the results are the same bit for bit.
"""

import json
from collections.abc import Collection
from hashlib import blake2b
from pathlib import Path

from cutlayer.sim.learning.chain_values import UnsavableRunError
from cutlayer.sim.learning.executor import Runtime
from cutlayer.sim.learning.pending import Mark
from cutlayer.sim.learning.replay import (
    Recorded,
    ReplayError,
    ReplayRuntime,
    RoundReport,
    SavedStates,
)
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.values import (
    UnknownValueError,
    decode,
    encode_pieces,
    from_plain,
    plain,
)
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.checkpoint_files import CheckpointFiles, Found, Line
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.resumable import CHECKPOINT, Note, Resumable

_Which = tuple[StateKey, int]


def method_checkpoints(
    folder: Path, number: int, label: str, resumable: Resumable
) -> "MethodCheckpoints":
    """Return the checkpoints of a method in a run's folder, by its position in the scenario.

    Raises OutputError.
    """
    files = CheckpointFiles(folder / CHECKPOINT, number)
    return MethodCheckpoints(files, label, resumable.every, resumable.note)


class MethodCheckpoints:
    """The checkpoints of one method; `rounds` is the number of rounds that an earlier command left."""

    def __init__(self, files: CheckpointFiles, label: str, every: int, note: Note) -> None:
        self._files = files
        self._label = label
        self._every = every
        self._note = note
        self._savable = True
        # Tokens (see `Mark.tokens`) and checksums.
        self._stored: dict[_Which, tuple[object, str]] = {}
        self._found = files.read(_values_of)
        self.rounds = len(self._found.lines)
        if self._found.damaged:
            _report_damage(self._found, label, note)

    def runtime(self, inner: Runtime) -> Runtime:
        """Return a runtime that replays the rounds which an earlier command committed, if any."""
        if not self.rounds:
            return inner
        reports = [
            RoundReport(from_plain(line["chains"]), from_plain(line["evaluation"]))
            for line in self._found.lines
        ]
        return ReplayRuntime(inner, Recorded(reports, self._restored))

    def committed(self, played: Played, closed: RoundResult) -> None:
        """Save a round that has been committed. Raises OutputError, or ReplayError if it differs."""
        mark = played.trained.mark
        if mark is None:
            return
        line: Line = {
            "digest": played.trained.digest,
            "figures": _figures(played.row),
            "chains": plain(list(played.trained.result())),
            "evaluation": plain(None if played.evaluation is None else played.evaluation.result()),
        }
        if closed.index < self.rounds:
            recorded = self._found.lines[closed.index]
            if any(line[part] != recorded[part] for part in ("digest", "figures")):
                raise ReplayError(f"{self._label}: {closed.noun} {closed.index}")
            return
        self._files.append(line)
        if (closed.index + 1) % self._every == 0 and self._savable:
            try:
                self._save(mark, closed.index + 1)
            except (UnknownValueError, UnsavableRunError) as error:
                self._savable = False
                self._note(f"{self._label} has no checkpoints: {error}")

    def _save(self, mark: Mark, rounds: int) -> None:
        """Write the values that have changed since the last time, and the close of the round."""
        values, stored = mark.values(), {}
        for which, token in mark.tokens().items():
            before = self._stored.get(which)
            if before is not None and before[0] is token:
                stored[which] = before
            else:
                stored[which] = token, self._files.add(encode_pieces(values[which]))
        self._stored = stored
        checksums = {which: checksum for which, (_, checksum) in stored.items()}
        close = {
            "values": checksums,
            "versions": dict(mark.versions()),
            "groups": list(mark.groups()),
        }
        self._files.save(rounds, encode_pieces(close), set(checksums.values()))

    def _restored(self) -> SavedStates:
        """Return the states from which the run continues."""
        assert self._found.close is not None
        close = decode(self._found.close)
        content = {
            checksum: decode(self._files.value(checksum))
            for checksum in set(close["values"].values())
        }
        values = {which: content[checksum] for which, checksum in close["values"].items()}
        return SavedStates(values, close["versions"], close["groups"])


def _values_of(close: bytes) -> Collection[str]:
    """Return the checksums of the values that a close has."""
    return set(decode(close, copy=False)["values"].values())


def _report_damage(found: Found, label: str, note: Note) -> None:
    files = " and ".join(str(file) for file in dict.fromkeys(found.damaged))
    where = f"from its round {len(found.lines)}" if found.lines else "from the beginning"
    note(f"{files} cannot be used (damaged): {label} continues {where}")


def _figures(row: RoundResult) -> str:
    """Return a fingerprint of a round's figures, apart from those of the training."""
    text = json.dumps(vars(row), sort_keys=True, default=repr)
    return blake2b(text.encode(), digest_size=16).hexdigest()
