"""The controllers by their section of a scenario, and the import of users' own controllers."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from cutlayer.errors import UserError
from cutlayer.models.own_object import import_own_or
from cutlayer.scenarios.control import BalancedBatches as BalancedSection
from cutlayer.scenarios.control import Best, Control, FedAdapt, Fixed, OwnControl
from cutlayer.sim.control.balanced_batches import BalancedBatchSizes
from cutlayer.sim.control.best import BestCut
from cutlayer.sim.control.controller import BATCH_SIZES, CUTS, PARTICIPANTS, Controller
from cutlayer.sim.control.fedadapt import FedAdaptRule

SHIPPED: Final[Mapping[type[BaseModel], type[Controller]]] = {
    Best: BestCut,
    FedAdapt: FedAdaptRule,
    BalancedSection: BalancedBatchSizes,
}
FIELDS: Final = frozenset({CUTS, BATCH_SIZES, PARTICIPANTS})


class UnknownControllerError(UserError):
    """A name of an object that is not a controller, or options that it does not take."""


def controller_of(section: Control) -> tuple[type[Controller], Any] | None:
    """Return a section's controller and its options, None for `fixed`.

    Raises UnknownControllerError.
    """
    if isinstance(section, Fixed):
        return None
    if not isinstance(section, OwnControl):
        return SHIPPED[type(section)], section
    name = section.name
    chosen = import_own_or(UnknownControllerError, f"{name} cannot be imported", name)
    if not (isinstance(chosen, type) and issubclass(chosen, Controller)):
        where = "cutlayer.sim.control.controller.Controller"
        raise UnknownControllerError(f"{name} is not a subclass of {where}")
    if inspect.isabstract(chosen):
        missing = ", ".join(sorted(chosen.__abstractmethods__))
        raise UnknownControllerError(f"{name} is incomplete: it lacks {missing}")
    if not getattr(chosen, "sets", None) or not chosen.sets <= FIELDS:
        fields = ", ".join(sorted(FIELDS))
        raise UnknownControllerError(f"{name}.sets must name what it decides: {fields}")
    try:
        return chosen, chosen.Options.model_validate(dict(section.options))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        option = ".".join(str(part) for part in problem["loc"])
        raise UnknownControllerError(f"{name}: option {option}: {problem['msg']}") from None
