"""The `task` section: what is learned, with which loss, and how results are measured."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from cutlayer.scenarios.fields import Section, Switch, Text, is_object_path, not_empty, rule, unique
from cutlayer.scenarios.unions import OneOf, either, is_list
from cutlayer.suggestion import suggestion

MAX_WEIGHT = 1e6

ClassWeight = Annotated[float, Field(strict=True, ge=0, le=MAX_WEIGHT, allow_inf_nan=False)]
ClassWeights = tuple[ClassWeight, ...]


def _known(noun: str, *names: str) -> AfterValidator:
    """Return the annotation of a name that is one of these or a user's own object."""

    def check(name: str) -> str:
        if name not in names and not is_object_path(name):
            own = "your own is named package.module:callable"
            raise rule(f"is not a known {noun}{suggestion(name, names)} ({own})")
        return name

    return AfterValidator(check)


def _check_weights(weights: Any) -> Any:
    if is_list(weights) and not any(weights):
        raise rule("must have a weight above 0")
    return weights


ClassMetric = Annotated[
    Text, _known("metric", "accuracy", "f1", "f1_weighted", "balanced_accuracy", "auroc")
]
NumberMetric = Annotated[Text, _known("metric", "mae", "rmse", "r2")]
TokenMetric = Annotated[Text, _known("metric", "perplexity", "accuracy")]
ClassLoss = Annotated[Text, _known("loss", "cross_entropy")]
NumberLoss = Annotated[Text, _known("loss", "mse", "mae", "huber")]


class Classification(Section):
    """The class of each sample. `class_weights` are by class, or `balanced` by their sizes."""

    loss: ClassLoss = "cross_entropy"
    metrics: Annotated[tuple[ClassMetric, ...], not_empty, unique] = ("accuracy",)
    class_weights: (
        Annotated[
            Literal["balanced"] | ClassWeights,
            either(Literal["balanced"], ClassWeights, is_list),
            AfterValidator(_check_weights),
        ]
        | None
    ) = None


class Regression(Section):
    """One or more numbers for each sample.

    With `standardise`, the model learns numbers with mean 0 and deviation 1 in the training samples, and
    metrics are in the units of the data.
    """

    loss: NumberLoss = "mse"
    metrics: Annotated[tuple[NumberMetric, ...], not_empty, unique] = ("mae",)
    standardise: Switch | None = None


class LanguageModel(Section):
    """The token after each token of a text."""

    loss: ClassLoss = "cross_entropy"
    metrics: Annotated[tuple[TokenMetric, ...], not_empty, unique] = ("perplexity",)


Task = Annotated[
    Classification | Regression | LanguageModel,
    OneOf(classification=Classification, regression=Regression, language_model=LanguageModel),
]
