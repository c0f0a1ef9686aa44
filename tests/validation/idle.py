"""How idle the processors were while something was timed: a busy machine cannot hold real-time laws."""

from pathlib import Path

ENOUGH = 0.5  # of the processors' time, for times to mean something


class Idle:
    """The share of idle processor time within a `with`; `share` is 1 where the system does not tell."""

    def __enter__(self) -> "Idle":
        self._before = _times()
        self.share = 1.0
        return self

    def __exit__(self, *_: object) -> None:
        passed = [after - before for before, after in zip(self._before, _times(), strict=True)]
        if sum(passed):
            self.share = (passed[3] + passed[4]) / sum(passed)  # idle, and waiting for a disk

    @property
    def enough(self) -> bool:
        return self.share >= ENOUGH


def _times() -> list[int]:
    """The processors' ticks by state: user, nice, system, idle, waiting, and four more."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return [0] * 8
    return [int(ticks) for ticks in first.split()[1:9]]
