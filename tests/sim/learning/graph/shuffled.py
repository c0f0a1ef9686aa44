"""A backend that runs tasks in a random order."""

import random
from collections.abc import Sequence

from sequential_backend import Sequential

from cutlayer.sim.process.tasks import Handle


class Shuffled(Sequential):
    """Runs tasks in this process in a random order; a tenth of them die once and are run again."""

    jobs = 3

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        super().__init__(self.chosen, self.dies)
        self.most = self.live = 0
        self.names: list[str] = []

    def chosen(self, names: Sequence[str]) -> int:
        chosen = self.random.randrange(len(names))
        self.names.append(names[chosen])
        return chosen

    def dies(self, name: str, deaths: int) -> bool:
        return not deaths and self.random.random() < 0.1

    def put(self, content: bytes | bytearray | memoryview) -> Handle:
        self.live += 1
        self.most = max(self.most, self.live)
        return super().put(content)

    def free(self, handle: Handle) -> None:
        self.live -= 1
        super().free(handle)
