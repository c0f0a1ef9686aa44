"""Whether a model takes the tokens of a data set: all of its vocabulary, and texts of its length."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from cutlayer.models.own_object import reason_of
from cutlayer.models.spec import ModelSpec
from cutlayer.models.tuning.tuning import FULL

PADDED_WITH_ZERO: Final = frozenset({"text-mini"})  # models of the catalogue that mask this token


def token_problem(spec: ModelSpec) -> str | None:
    """Return why a model fails on tokens below its vocabulary, None if it does not.

    An embedding, of tokens or of their places, may be too small; only values show it, not shapes.
    """
    assert spec.vocabulary is not None
    return _problem(replace(spec, tuning=FULL))


@lru_cache(maxsize=4)  # shared by the seeds of a scenario and the points of a study
def _problem(spec: ModelSpec) -> str | None:
    import torch

    from cutlayer.models.catalogue import build
    from cutlayer.models.draws import borrowed_generators

    assert spec.vocabulary is not None
    length, last = *spec.input_shape, spec.vocabulary - 1
    model = build(spec, seed=0).eval()
    failures = {
        0: f"fails on texts of {length:,} tokens",
        last: f"fails on the token {last:,}: the vocabulary of the data has {spec.vocabulary:,} tokens, "
        "which a factory gets as `vocabulary`",
    }
    for token, failure in failures.items():
        tokens = torch.full((model.min_batch, length), token)
        try:
            with borrowed_generators(), torch.inference_mode():
                model(tokens)
        except Exception as error:  # a user's model may raise anything
            return f"{failure} ({reason_of(error)})"
    return None
