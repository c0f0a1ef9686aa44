"""Compare measured and predicted rounds."""

from dataclasses import dataclass
from statistics import fmean, median

from cases import Case
from measured import Run


@dataclass(frozen=True)
class Comparison:
    """Rounds of one type (train, upload or replay): seconds, and bytes up and down in all rounds.

    `measured_s` has every round of every repeat; the median is compared. The last two pairs are the
    seconds of computing on device and server in a round.
    """

    case: Case
    method: str
    kind: str
    measured_s: tuple[float, ...]
    predicted_s: float
    device_s: tuple[float, float]
    server_s: tuple[float, float]

    @property
    def error(self) -> float:
        """Return (predicted - measured) / measured, for the median measured round."""
        return self.predicted_s / median(self.measured_s) - 1

    @property
    def noise(self) -> float:
        """Return the mean deviation of the rounds from their median, relative to the median."""
        middle = median(self.measured_s)
        return fmean(abs(one / middle - 1) for one in self.measured_s)


def compare(
    case: Case, method: str, runs: list[Run], predicted: dict[str, dict[str, float]]
) -> list[Comparison]:
    """Return one comparison per type of round; `runs` are repeats of the same case."""
    found = []
    for kind, said in predicted.items():
        kinds = [measured for run in runs for measured in run.kinds if measured.kind == kind]
        if not kinds:
            raise ValueError(f"{case}, {method}: no round of the kind {kind!r} was measured")
        found.append(
            Comparison(
                case,
                method,
                kind,
                tuple(seconds for measured in kinds for seconds in measured.seconds),
                said["seconds"],
                (median(s for m in kinds for s in m.device_s), said["device_s"]),
                (median(s for m in kinds for s in m.server_s), said["server_s"]),
            )
        )
    return found


def mean_error(comparisons: list[Comparison]) -> float:
    """Return the mean of the absolute errors per round."""
    return fmean(abs(one.error) for one in comparisons)


def table(comparisons: list[Comparison]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| case | method | round | measured (s) | +/- | predicted (s) | error | device | server |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in comparisons:
        device, server = (
            f"{real:.2f}, {said:.2f}" if real else "-"
            for real, said in (one.device_s, one.server_s)
        )
        lines.append(
            f"| {one.case} | {one.method} | {one.kind} | {median(one.measured_s):.3f}"
            f" | {one.noise:.1%} | {one.predicted_s:.3f} | {one.error:+.1%} | {device} | {server} |"
        )
    return "\n".join(lines)


def rows(comparisons: list[Comparison]) -> list[list[object]]:
    """Return the rows of a CSV file, header first."""
    header: list[object] = [
        "case",
        "method",
        "round",
        "measured_s",
        "noise",
        "predicted_s",
        "error",
    ]
    header += ["device_measured_s", "device_predicted_s", "server_measured_s", "server_predicted_s"]
    found = [header]
    for one in comparisons:
        figures = (median(one.measured_s), one.noise, one.predicted_s, one.error)
        both = (*one.device_s, *one.server_s)
        texts = [f"{figure:.6g}" for figure in (*figures, *both)]
        found.append([str(one.case), one.method, one.kind, *texts])
    return found
