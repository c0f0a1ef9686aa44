"""The forms of data sets that have no name: those in the user's files, and one that is only declared."""

from math import prod
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from cutlayer.scenarios.data_texts import (
    Fortunes,
    Length,
    PlainText,
    TextFolder,
    Tokenizer,
)
from cutlayer.scenarios.fields import (
    Count,
    DatasetName,
    Section,
    Text,
    Whole,
    is_object_path,
    not_empty,
    rule,
    unique,
)
from cutlayer.scenarios.unions import OneOf, either, is_list, is_mapping

MAX_VALUES: Final = 100_000_000  # in one sample
MAX_CLASSES: Final = 1_000_000

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _of_possible_size(shape: tuple[int, ...]) -> tuple[int, ...]:
    if prod(shape) > MAX_VALUES:
        raise rule(f"must be a shape of at most {MAX_VALUES:,} numbers")
    return shape


Shape = Annotated[tuple[Count, ...], not_empty, AfterValidator(_of_possible_size)]
Classes = Annotated[int, Field(strict=True, ge=1, le=MAX_CLASSES)]


def _increases(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise rule("must be a smaller and a larger number")
    return bounds


def _names_an_object(name: str) -> str:
    if not is_object_path(name):
        raise rule("must have the form package.module:Object")
    return name


ValueRange = Annotated[tuple[Finite, Finite], AfterValidator(_increases)]
Names = Annotated[tuple[Text, ...], unique]
LabelNames = Annotated[tuple[Text, ...], not_empty, unique]
ObjectPath = Annotated[Text, AfterValidator(_names_an_object)]


class _Files(Section):
    """A data set in files for training and for test data.

    `value_range` has the numbers that are mapped to 0 and 1.
    """

    shorthand = "train"
    train: Text
    test: Text | None = None
    input_shape: Shape | None = None
    value_range: ValueRange | None = None


class Leaf(_Files):
    """A data set in the format of LEAF: a file, or a folder of files, for training and for test data.

    `value_range` has the numbers that are mapped to 0 and 1.
    """

    classes: Classes | None = None


class Window(Section):
    """Samples that are windows of `length` rows of a table, a new one every `step` rows.

    A window has rows of one value of the column `group`, such as a recording. Its target is the class of
    most of its rows, that of its last row, or the mean of numbers.
    """

    shorthand = "length"
    length: Count
    step: Count | None = None
    group: Text | None = None
    label: Literal["majority", "last", "mean"] | None = None


class Table(_Files):
    """A data set in tables: one column has the labels, the others the features.

    Several columns of labels are the numbers of a regression. Columns among `categories` have texts, and
    each of their values becomes a feature. Instead of features, the column `image` has images, or the
    column `text` has texts that become `length` tokens each.
    """

    label: Annotated[Text | LabelNames, either(Text, LabelNames, is_list)] = "label"
    features: Names | None = None
    categories: Names = ()
    image: Text | None = None
    window: Window | None = None
    text: Text | None = None
    tokenizer: Tokenizer | None = None
    length: Length | None = None

    @model_validator(mode="after")
    def _one_kind_of_input(self) -> Self:
        if self.image is not None and (self.features is not None or self.categories):
            raise rule("must have either image or features, not both")
        if self.window is not None:
            for field in ("image", "input_shape"):
                if getattr(self, field) is not None:
                    raise rule(f"must have either window or {field}, not both")
        if self.text is None:
            for field in ("tokenizer", "length"):
                if getattr(self, field) is not None:
                    raise rule(f"must have text, the column of the texts, to have {field}")
            return self
        if self.text in (self.label, *self.label):
            raise rule(f"must have other columns as text and label than {self.text}")
        for field in ("image", "features", "categories", "input_shape", "value_range", "window"):
            if getattr(self, field):
                raise rule(f"must have either text or {field}, not both")
        return self


class Csv(Table):
    """A CSV file, or a folder of CSV files, with a header."""

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None


class Jsonl(Table):
    """A file, or a folder of files, with a JSON object in each line."""


class Parquet(Table):
    """A Parquet file, or a folder of Parquet files."""


class Arrow(Table):
    """An Arrow file or a folder of Arrow files, such as a split that `datasets` saved to disk."""


class Images(Section):
    """A folder with a subfolder of images for each class."""

    shorthand = "train"
    train: Text
    test: Text | None = None
    input_shape: Shape = (3, 32, 32)


class Npz(_Files):
    """A `.npz` file with arrays of inputs and labels, by these names."""

    inputs: Text | None = None
    labels: Text | None = None
    test_inputs: Text | None = None
    test_labels: Text | None = None

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.inputs is None) != (self.labels is None):
            raise rule("must have both inputs and labels, or neither")
        if (self.test_inputs is None) != (self.test_labels is None):
            raise rule("must have both test_inputs and test_labels, or neither")
        if self.test_inputs is not None and self.inputs is None:
            raise rule("must have inputs and labels if it has test_inputs")
        return self


class TorchSet(Section):
    """A `torch.utils.data.Dataset` of the user's: an object, or a function that returns one."""

    shorthand = "train"
    train: ObjectPath
    test: ObjectPath | None = None
    value_range: ValueRange | None = None


class Declared(Section):
    """A data set without samples, for runs without training, with equal classes.

    With a `vocabulary`, its inputs are tokens; those of a language model have no classes.
    """

    input_shape: Shape
    classes: Classes
    train_samples: Count
    test_samples: Whole = 0
    vocabulary: Count | None = None


DescribedDataset = Annotated[
    Leaf
    | Csv
    | Jsonl
    | Parquet
    | Arrow
    | Images
    | Npz
    | TorchSet
    | Fortunes
    | TextFolder
    | PlainText
    | Declared,
    OneOf(
        csv=Csv,
        jsonl=Jsonl,
        parquet=Parquet,
        arrow=Arrow,
        images=Images,
        npz=Npz,
        torch=TorchSet,
        fortunes=Fortunes,
        text_folder=TextFolder,
        text=PlainText,
        leaf=Leaf,
        declared=Declared,
    ),
]


def _is_described(value: Any) -> bool:
    return is_mapping(value) or value == "fortunes"  # which has no field that must be given


Dataset = Annotated[
    DatasetName | DescribedDataset, either(DatasetName, DescribedDataset, _is_described)
]
