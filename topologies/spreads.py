"""How well the figures of a device are known, as standard deviations of natural logarithms.

A figure of a profile with a covariance has the deviation that is stated there, every other figure that
of its status. The deviations by status are a judgement, not measured: public times of one device
differ about as much (docs/validation/device-form.md).
"""

import math
from collections.abc import Mapping
from typing import Final

from cutlayer.topologies.device import DeviceProfile, Status
from cutlayer.topologies.figures import attribute_of, figures_of, with_figures

SPREADS: Final[Mapping[Status, float]] = {
    "declared": 0.0,
    "measured": 0.05,
    "published": 0.05,
    "derived": 0.2,
    "recalled": 0.3,
    "guess": 0.5,
}
# What the form of the time of a layer leaves open: the errors on networks left out of the fit, on
# architectures left out of it, and of devices with one speed.
FORM_ERROR: Final = 0.15
NEW_FORM_ERROR: Final = 0.32
COARSE_FORM_ERROR: Final = 0.7
# Beginnings of the names of models whose architecture has several networks among the public rows.
TIMED_ARCHITECTURES: Final = ("vgg", "alexnet", "lenet", "resnet", "mobilenet")
PACKAGES: Final = ("torchvision", "timm")  # whose names of models begin with the architecture, too
LOADER: Final = "loader_per_iteration"


def spread_of(profile: DeviceProfile) -> dict[str, float]:
    """Return the standard deviation of the logarithm of each figure, named as in a profile file.

    A figure without a status was declared. Figures of 0 and infinite ones have no spread.
    """
    known = profile.covariance.deviations if profile.covariance else {}
    return {
        name: known.get(name, SPREADS[_status(profile, name)]) if 0 < figure < math.inf else 0.0
        for name, figure in figures_of(profile).items()
    }


def form_error_of(profile: DeviceProfile, *, timed: bool = True) -> float:
    """Return the relative standard deviation of what the form of a profile leaves open.

    `timed` says whether the architecture of the model is among those of the public rows. A profile with
    an error of its own has that one for every model.
    """
    if profile.form_error is not None:
        return profile.form_error
    if profile.coarse:
        return COARSE_FORM_ERROR
    return FORM_ERROR if timed else NEW_FORM_ERROR


def is_timed(model: str) -> bool:
    """Return whether a model, by name, is of an architecture that the public rows have."""
    package, _, name = model.rpartition(":")
    return package in ("", *PACKAGES) and name.lower().startswith(TIMED_ARCHITECTURES)


def with_factors(profile: DeviceProfile, factors: Mapping[str, float]) -> DeviceProfile:
    """Return the profile with figures times `factors`, as drawn from their spreads.

    The iteration overhead includes the loader; its factor applies to the rest of it.
    """
    figures = figures_of(profile)
    moved = {name: figures[name] * factor for name, factor in factors.items()}
    if not moved.keys().isdisjoint({LOADER, "iteration_overhead"}):
        loader = figures[LOADER]
        rest = figures["iteration_overhead"] - loader
        moved[LOADER] = loader * factors.get(LOADER, 1.0)
        moved["iteration_overhead"] = moved[LOADER] + rest * factors.get("iteration_overhead", 1.0)
    return with_figures(profile, moved)


def _status(profile: DeviceProfile, figure: str) -> Status:
    """Return the status of a figure; a coarse profile has one for all rates."""
    attribute = attribute_of(figure)
    whole = attribute.partition(".")[0]
    return profile.status.get(attribute) or profile.status.get(whole) or "declared"
