"""Methods of a user's own whose operations fail or cannot be sent to another process."""

from typing import Any

from cutlayer.errors import UserError
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.state_key import SERVER
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.methods.method import Round
from cutlayer.sim.methods.splitfed_v2 import SplitFedV2


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


class TwoBlocks(SplitFedV2):
    """SplitFed v2 with two server blocks at a time: one for every other client, of which one is kept."""

    name = "two_blocks"

    def open_round(self, index: int) -> Round:
        rnd = super().open_round(index)
        learning, block = self.world.learning, (SERVER,)
        trunk = self.joint_chain(index, rnd.participants, reads=block, writes=block, at_end=True)
        second = learning.interleave(trunk)
        joined = list(rnd.notes["shared_chains"])
        joined[1] = second.join(rnd.chains[1])
        rnd.notes["shared_chains"] = tuple(joined)
        return rnd
