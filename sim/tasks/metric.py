"""Metrics: the names, directions and units in which the results of a task are written."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self


@dataclass(frozen=True)
class Metric:
    """A figure of an evaluation. A share is between 0 and 1, and is shown in percent."""

    name: str
    title: str
    higher_is_better: bool = True
    is_share: bool = False

    @property
    def heading(self) -> str:
        """Return the title with a capital."""
        return self.title[:1].upper() + self.title[1:]

    def text(self, value: float) -> str:
        """Return a value as a table shows it, rounded."""
        return f"{value:.2%}" if self.is_share else f"{value:.4g}"

    def goal(self, value: float) -> str:
        """Return a target as headings show it: whole percents, or the value."""
        return f"{value:.0%}" if self.is_share else f"{value:g}"

    def reaches(self, value: float, target: float) -> bool:
        """Return whether a value is at least as good as a target."""
        return value >= target if self.higher_is_better else value <= target

    def gains(self, value: float, best: float | None, by: float = 0.0) -> bool:
        """Return whether a value is better than the best one before, if any, by more than `by`."""
        if best is None:
            return True
        return value > best + by if self.higher_is_better else value < best - by

    def best(self, values: Iterable[float]) -> float | None:
        """Return the best of some values; None without any."""
        return (max if self.higher_is_better else min)(values, default=None)

    def written(self) -> dict[str, Any]:
        """Return the metric as plain data."""
        return asdict(self)

    @classmethod
    def read(cls, content: Mapping[str, Any] | None) -> Self:
        """Return the metric of plain data; accuracy without any."""
        return cls(**(ACCURACY.written() if content is None else content))


def _share(name: str, title: str) -> Metric:
    return Metric(name, title, is_share=True)


ACCURACY: Final = _share("accuracy", "accuracy")

CLASSIFICATION: Final = (
    ACCURACY,
    _share("f1", "macro F1"),
    _share("f1_weighted", "weighted F1"),
    _share("balanced_accuracy", "balanced accuracy"),
    _share("auroc", "AUROC"),
)
REGRESSION: Final = (
    Metric("mae", "MAE", higher_is_better=False),
    Metric("rmse", "RMSE", higher_is_better=False),
    Metric("r2", "R2"),
)
LANGUAGE_MODEL: Final = (Metric("perplexity", "perplexity", higher_is_better=False), ACCURACY)

METRICS: Final[Mapping[str, Mapping[str, Metric]]] = {
    kind: {metric.name: metric for metric in metrics}
    for kind, metrics in (
        ("classification", CLASSIFICATION),
        ("regression", REGRESSION),
        ("language_model", LANGUAGE_MODEL),
    )
}
