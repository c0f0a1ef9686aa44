"""What modules and operations draw for themselves, in streams that belong to a chain.

Dropout, stochastic depth and noise take their numbers from global generators, which know neither a
client nor a round. Here they are set to a stream of (seed, purpose, key, name, number) whenever
something begins: at the number-th call of a block of the model, and at the number-th operation of a
kind. So a draw depends neither on other clients nor on the time at which the other side of the cut was
at work, and a model that is cut draws in its forward passes what the uncut one draws.

Not covered: draws in a backward pass (a custom autograd function) are reproducible, but not those of
the uncut model; and a generator that a module keeps for itself is left alone.
"""

from collections import Counter

from cutlayer.models.draws import seed_generators, seed_of


class Draws:
    """Streams of one chain, or of one evaluation."""

    def __init__(self, seed: int, purpose: str, *key: int) -> None:
        self.seed = seed
        self.purpose = purpose
        self.key = key
        self._begun: Counter[str] = Counter()

    def begin(self, name: str) -> None:
        """Set the global generators to the stream of this call of `name`."""
        number = self._begun[name]
        self._begun[name] += 1
        seed_generators(seed_of(self.seed, self.purpose, *self.key, name, number))
