"""The `model` section: a model, its cuts, and which of its tensors are trained."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

from pydantic import ValidationInfo, field_validator

from cutlayer.models.tuning import tuning
from cutlayer.scenarios.batch_norm import BatchNorm
from cutlayer.scenarios.control import Cut
from cutlayer.scenarios.fields import (
    BelowOne,
    Count,
    ModelName,
    Positive,
    Section,
    Switch,
    Text,
    not_empty,
    rule,
    unique,
)
from cutlayer.scenarios.unions import either, is_mapping

DEFAULT_CUT: Final = "default"
CutsByName = Annotated[Mapping[Text, Cut], not_empty]


T = TypeVar("T")
Names = tuple[str, ...]
Patterns = Annotated[tuple[Text, ...], not_empty, unique]


class Lora(Section):
    """Low-rank adapters of the linear layers whose names match one of the patterns in `targets`."""

    rank: Count
    alpha: Positive
    targets: Patterns
    dropout: BelowOne = 0.0


class Model(Section):
    """The model, and the number of leading blocks that stay on the device.

    A cut may also be the name of a block or submodule, the last one on the device. Several cuts are by
    the name of a device, client or group of clients; `default` is the cut of all other clients.
    `batch_norm` says which tensors of BatchNorm are averaged, trained and sent. `unpriced` says what
    becomes of an operation without a cost rule: `bytes` prices it by the bytes that it moves.
    `pretrained` says whether weights that a model of a package brings are kept.

    `trainable` or `frozen` are patterns of the names of tensors that are trained, or that are not.
    With `lora`, adapters are trained, and `trainable`. Frozen tensors are kept in `frozen_type`, and
    with `download_frozen` sent to each client once.
    """

    name: ModelName
    cut: Annotated[Cut | CutsByName, either(Cut, CutsByName, is_mapping)]
    batch_norm: BatchNorm = "averaged"
    unpriced: Literal["error", "bytes"] = "error"
    pretrained: Switch | None = None
    trainable: Patterns | None = None
    frozen: Patterns | None = None
    lora: Lora | None = None
    frozen_type: Literal["float32", "bfloat16"] = "float32"
    download_frozen: Switch = False

    @field_validator("frozen")
    @classmethod
    def _not_both(cls, frozen: Names | None, info: ValidationInfo) -> Names | None:
        if frozen and info.data.get("trainable"):
            raise rule("is not allowed together with trainable: each says what the other leaves")
        return frozen

    @field_validator("lora")
    @classmethod
    def _freezes_itself(cls, lora: Lora | None, info: ValidationInfo) -> Lora | None:
        if lora and info.data.get("frozen"):
            raise rule("is not allowed together with frozen: it freezes all but the adapters")
        return lora

    @field_validator("frozen_type", "download_frozen")
    @classmethod
    def _needs_frozen(cls, value: T, info: ValidationInfo) -> T:
        freezes = [info.data.get(name, "") for name in ("trainable", "frozen", "lora")]
        if value not in ("float32", False) and freezes == [None] * 3:
            raise rule("has no effect where nothing is frozen: give trainable, frozen or lora")
        return value

    @property
    def named_cuts(self) -> Mapping[str, int | str]:
        """The cuts by name; a single one is the default."""
        return {DEFAULT_CUT: self.cut} if isinstance(self.cut, int | str) else self.cut

    @property
    def tuning(self) -> tuning.Tuning:
        """Which tensors are trained."""
        lora = None if self.lora is None else tuning.Lora(**self.lora.model_dump())
        return tuning.Tuning(self.trainable or (), self.frozen or (), lora, self.frozen_type)
