"""A data set of which only the sizes are there: for runs that time and count, and train nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutlayer.sim.data.info import DataError, DatasetInfo


class NoData:
    """Stands where a data set would be read, and says that there is none."""

    def __init__(self, info: DatasetInfo) -> None:
        self.info = info

    def __call__(self, data_dir: Path | None) -> Any:
        """Raise DataError."""
        del data_dir
        raise DataError("the data set is only declared: nothing can be trained on it")


def only_declared(
    input_shape: Sequence[int], classes: int, train_samples: int, test_samples: int = 0
) -> DatasetInfo:
    """Return a set with so many samples of each class (the first ones have one more, if need be)."""
    info = DatasetInfo(
        name="declared",
        input_shape=tuple(input_shape),
        train_counts=_equal(train_samples, classes),
        test_counts=_equal(test_samples, classes),
        mean=(0.0,) * input_shape[0],
        std=(1.0,) * input_shape[0],
        class_names=tuple(map(str, range(classes))),
    )
    return replace(info, source=NoData(info))


def _equal(samples: int, classes: int) -> tuple[int, ...]:
    each, more = divmod(samples, classes)
    return tuple(each + (label < more) for label in range(classes))
