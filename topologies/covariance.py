"""What is known of a device's figures together: the covariance of their logarithms."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

DIGITS: Final = 5  # behind the point, in files
ROUNDING: Final = 10.0**-DIGITS
MAX_VARIANCE: Final = 100.0


class CovarianceError(ValueError):
    """A matrix that is not a covariance."""


@dataclass(frozen=True)
class Covariance:
    """The covariance of the natural logarithms of figures, named as in a profile file.

    `logs` has a row and a column for each of the `names`. Raises CovarianceError if it is not square,
    symmetric and positive semidefinite to `ROUNDING`.
    """

    names: tuple[str, ...]
    logs: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        count = len(self.names)
        for name in self.names:
            if self.names.count(name) > 1:
                raise CovarianceError(f"the figure {name!r} is named twice")
        if len(self.logs) != count:
            raise CovarianceError(
                f"must have {count} rows, one for each figure (got {len(self.logs)})"
            )
        for number, row in enumerate(self.logs, 1):
            if len(row) != count:
                raise CovarianceError(f"row {number} must have {count} numbers (got {len(row)})")
        if not count:
            return
        matrix = self.matrix
        if not (abs(matrix) <= MAX_VARIANCE).all():
            raise CovarianceError(
                f"every number must lie between -{MAX_VARIANCE:g} and {MAX_VARIANCE:g}"
            )
        for number, row in enumerate(matrix - matrix.T):
            if (where := int(abs(row).argmax())) != number and abs(row[where]) > 2 * ROUNDING:
                one, other = self.names[number], self.names[where]
                raise CovarianceError(
                    f"must be symmetric (got {matrix[number, where]:g} for {one} and {other},"
                    f" and {matrix[where, number]:g} for {other} and {one})"
                )
        least = float(np.linalg.eigvalsh(matrix)[0])
        if least < -count * ROUNDING:
            raise CovarianceError(f"must not have a negative eigenvalue (got {least:.3g})")

    @classmethod
    def of(cls, names: Sequence[str], matrix: NDArray[np.float64]) -> Self:
        """Return a covariance from a matrix; the numbers keep all their digits."""
        rows: Any = ((matrix + matrix.T) / 2).tolist()
        return cls(tuple(names), tuple(map(tuple, rows)))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """The covariance as an array, names by names."""
        return np.array(self.logs, dtype=np.float64).reshape(len(self.names), -1)

    @property
    def deviations(self) -> dict[str, float]:
        """The standard deviation of the logarithm of each figure."""
        variances = np.maximum(self.matrix.diagonal(), 0) if self.names else ()
        return dict(zip(self.names, np.sqrt(variances).tolist(), strict=True))

    def without(self, names: Collection[str]) -> Self:
        """Return the covariance of the other figures."""
        kept = [number for number, name in enumerate(self.names) if name not in names]
        return type(self)(
            tuple(self.names[one] for one in kept),
            tuple(tuple(self.logs[one][other] for other in kept) for one in kept),
        )
