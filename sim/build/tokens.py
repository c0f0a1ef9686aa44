"""Whether a model takes the tokens of a data set: all of its vocabulary, and texts of its length."""

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from cutlayer.models.block_cost import Shape
from cutlayer.models.own_object import reason_of
from cutlayer.models.spec import ModelSpec
from cutlayer.models.tuning.tuning import FULL

if TYPE_CHECKING:
    from cutlayer.models.model import Model


def token_problem(spec: ModelSpec) -> str | None:
    """Return why a model fails on tokens below its vocabulary, None if it does not.

    An embedding, of tokens or of their places, may be too small; only values show it, not shapes.
    """
    assert spec.vocabulary is not None
    return _problem(replace(spec, tuning=FULL))


@lru_cache(maxsize=4)  # shared by the seeds of a scenario and the points of a study
def _problem(spec: ModelSpec) -> str | None:
    from cutlayer.models.catalogue import build

    assert spec.vocabulary is not None
    model, last = build(spec, seed=0).eval(), spec.vocabulary - 1
    reason = _failure(model, spec.input_shape, last)
    if reason is None:
        return None
    if _failure(model, spec.input_shape, 0) is not None:
        return f"fails on texts of {spec.input_shape[0]:,} tokens ({reason})"
    return (
        f"fails on the token {last:,}: the vocabulary of the data has {spec.vocabulary:,} tokens, which "
        f"a factory gets as `vocabulary` ({reason})"
    )


class _LookedUpError(Exception):
    """All embeddings have been used."""


def _failure(model: "Model", shape: Shape, token: int) -> str | None:
    """Return why a model fails on this token, up to the last of its embeddings; None if it does not."""
    import torch

    from cutlayer.models.draws import borrowed_generators

    left = {module for module in model.modules() if isinstance(module, torch.nn.Embedding)}

    def used(module: torch.nn.Module, *_: object) -> None:
        left.discard(module)
        if not left:
            raise _LookedUpError

    hooks = [module.register_forward_hook(used) for module in left]
    try:
        with borrowed_generators(), torch.inference_mode():
            model(torch.full((model.min_batch, *shape), token))
    except _LookedUpError:
        return None
    except Exception as error:  # a user's model may raise anything
        return reason_of(error)
    finally:
        for hook in hooks:
            hook.remove()
    return None
