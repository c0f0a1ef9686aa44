"""Metrics of a language model, from sums over the tokens of the test set."""

from math import exp


def perplexity(cross_entropy: float, tokens: int) -> float:
    """Return exp(mean cross entropy per token) (Jelinek et al., 1977); infinity if it is too large."""
    try:
        return exp(cross_entropy / tokens)
    except OverflowError:
        return float("inf")
