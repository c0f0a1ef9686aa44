"""The methods by name, and the way to a user's own method."""

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from cutlayer.errors import UserError
from cutlayer.models.own_object import OwnObjectError, import_own
from cutlayer.sim.methods.method import Method, MethodOptions

METHODS: Final[dict[str, str]] = {
    "classic_fl": "cutlayer.sim.methods.classic_fl:ClassicFL",
    "splitfed": "cutlayer.sim.methods.splitfed:SplitFed",
    "local_loss": "cutlayer.sim.methods.local_loss:LocalLoss",
    "fedgkt": "cutlayer.sim.methods.fedgkt:FedGKT",
    "ecofed": "cutlayer.sim.methods.ecofed:EcoFed",
    "split_learning": "cutlayer.sim.methods.split_learning:SplitLearning",
    "centralised": "cutlayer.sim.methods.centralised:Centralised",
}


class UnknownMethodError(UserError):
    """A method name that leads nowhere, or to something that is no method."""


def method(name: str) -> type[Method]:
    """Return the method of a catalogue name or of `package.module:Object`.

    Raises UnknownMethodError with what was expected.
    """
    if name in METHODS:
        module, _, attribute = METHODS[name].partition(":")
        built_in: type[Method] = getattr(import_module(module), attribute)
        return built_in
    if ":" not in name:
        raise UnknownMethodError(f"{name} is not a method; there are {', '.join(METHODS)}")
    try:
        found = import_own(name)
    except OwnObjectError as error:
        raise UnknownMethodError(f"{name} cannot be imported: {error}") from None
    except Exception as error:  # whatever a user's module does wrong, the answer names it
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UnknownMethodError(f"{name} cannot be imported ({reason})") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise UnknownMethodError(f"{name} is not a subclass of cutlayer.sim.methods.method.Method")
    options = getattr(found, "Options", None)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise UnknownMethodError(f"{name} is not complete: it lacks {missing}")
    if not (isinstance(options, type) and issubclass(options, MethodOptions)):
        raise UnknownMethodError(f"{name} has no Options, a subclass of MethodOptions")
    return found


class OptionModels(Mapping[str, type[MethodOptions]]):
    """Every method's options by its name; a method's file is imported when it is asked for."""

    def __getitem__(self, name: str) -> type[MethodOptions]:
        if name not in METHODS:
            raise KeyError(name)
        return method(name).Options

    def __iter__(self) -> Iterator[str]:
        return iter(METHODS)

    def __len__(self) -> int:
        return len(METHODS)
