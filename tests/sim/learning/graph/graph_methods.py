"""Methods of a user's own whose operations fail or cannot be sent to another process."""

from typing import Any

from cutlayer.errors import UserError
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.methods.method import Round


class OutOfRangeError(UserError):
    """An error that the user can correct."""


def fails(run: Any) -> None:
    raise OutOfRangeError("the temperature is out of range")


def is_defective(run: Any) -> None:
    raise ZeroDivisionError("by design")


class _Adds(ClassicFL):
    """Classic FL; the second client of the second round does something else as well."""

    name = "adds"

    def open_round(self, index: int) -> Round:
        rnd = super().open_round(index)
        if index == 1:
            self.add(rnd.chains[1])
        return rnd

    def add(self, chain: Chain) -> None:
        raise NotImplementedError


class Fails(_Adds):
    def add(self, chain: Chain) -> None:
        chain.do(fails)


class Defective(_Adds):
    def add(self, chain: Chain) -> None:
        chain.do(is_defective)


class Unsendable(_Adds):
    def add(self, chain: Chain) -> None:
        chain.do(lambda run: None)
