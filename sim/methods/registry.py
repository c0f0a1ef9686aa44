"""The methods by name, and the import of a user's own method."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.models.own_object import import_own_or
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.methods.ampere import Ampere
from cutlayer.sim.methods.centralised import Centralised
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.methods.cse_fsl import CSEFSL
from cutlayer.sim.methods.ecofed import EcoFed
from cutlayer.sim.methods.epsl import EPSL
from cutlayer.sim.methods.fedasync import FedAsync
from cutlayer.sim.methods.fedbuff import FedBuff
from cutlayer.sim.methods.fedgkt import FedGKT
from cutlayer.sim.methods.fedoptima import FedOptima
from cutlayer.sim.methods.fedprox import FedProx
from cutlayer.sim.methods.fsl_sage import FSLSAGE
from cutlayer.sim.methods.gas import GAS
from cutlayer.sim.methods.local_loss import LocalLoss
from cutlayer.sim.methods.mergesfl import MergeSFL
from cutlayer.sim.methods.method import Method, MethodOptions
from cutlayer.sim.methods.pipar import PiPar
from cutlayer.sim.methods.safsl import SAFSL
from cutlayer.sim.methods.sfl_ga import SFLGA
from cutlayer.sim.methods.smofi import SMoFi
from cutlayer.sim.methods.split_learning import SplitLearning
from cutlayer.sim.methods.splitfed import SplitFed
from cutlayer.sim.methods.splitfed_v2 import SplitFedV2
from cutlayer.suggestion import suggestion

METHODS: Final[Mapping[str, type[Method]]] = {
    shipped.name: shipped
    for shipped in (
        ClassicFL,
        FedProx,
        SplitFed,
        SplitFedV2,
        PiPar,
        LocalLoss,
        CSEFSL,
        FSLSAGE,
        Ampere,
        FedGKT,
        EcoFed,
        SplitLearning,
        Centralised,
        FedAsync,
        FedBuff,
        SAFSL,
        GAS,
        SMoFi,
        SFLGA,
        EPSL,
        MergeSFL,
        FedOptima,
    )
}
OPTIONS: Final = {name: shipped.Options for name, shipped in METHODS.items()}


class UnknownMethodError(UserError):
    """An unknown method name, or a name of something that is not a method."""


def method(name: str) -> type[Method]:
    """Return the method with a catalogue name or of `package.module:Object`.

    Raises UnknownMethodError.
    """
    if name in METHODS:
        return METHODS[name]
    if ":" not in name:
        raise UnknownMethodError(f"{name} is not a known method{suggestion(name, METHODS)}")
    own = import_own_or(UnknownMethodError, f"{name} cannot be imported", name)
    if not (isinstance(own, type) and issubclass(own, Method)):
        raise UnknownMethodError(f"{name} is not a subclass of cutlayer.sim.methods.method.Method")
    if inspect.isabstract(own):
        missing = ", ".join(sorted(own.__abstractmethods__))
        raise UnknownMethodError(f"{name} is incomplete: it lacks {missing}")
    options = getattr(own, "Options", None)
    if not (isinstance(options, type) and issubclass(options, MethodOptions)):
        raise UnknownMethodError(f"{name} has no Options, a subclass of MethodOptions")
    return own


def options_of(entry: MethodEntry) -> tuple[type[Method], Any]:
    """Return a method entry's class and its validated options.

    Raises UnknownMethodError, or pydantic's ValidationError for a method of the user's own.
    """
    chosen = method(entry.name)
    if isinstance(entry.options, dict):
        return chosen, chosen.Options.model_validate(entry.options)
    return chosen, entry.options
