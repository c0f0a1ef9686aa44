"""Metrics: the names, directions and units in which the results of a task are written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self


@dataclass(frozen=True)
class Metric:
    """A figure of an evaluation. A share is between 0 and 1, and is shown in percent."""

    name: str
    title: str
    higher_is_better: bool = True
    is_share: bool = False

    def text(self, value: float) -> str:
        """Return a value as a table shows it, rounded."""
        return f"{value:.2%}" if self.is_share else f"{value:.4g}"

    def reaches(self, value: float, target: float) -> bool:
        """Return whether a value is at least as good as a target."""
        return value >= target if self.higher_is_better else value <= target

    def gain(self, value: float, before: float | None) -> float:
        """Return how much better a value is than one before; infinity without one."""
        if before is None:
            return float("inf")
        return value - before if self.higher_is_better else before - value

    def best(self, values: list[float]) -> float:
        """Return the best of some values."""
        return max(values) if self.higher_is_better else min(values)

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
