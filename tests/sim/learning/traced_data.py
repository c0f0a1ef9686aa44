"""Random data of four classes for `traced_nets`: images of 3 x 16 x 16, and texts of 12 tokens."""

import torch

from cutlayer.sim.data.datasets import Dataset, DatasetInfo

COUNTS = {
    "train_counts": (8,) * 4,
    "test_counts": (2,) * 4,
    "class_names": tuple("abcd"),
    "checksum": "random",
}


def _dataset(info: DatasetInfo, inputs: torch.Tensor) -> Dataset:
    labels = torch.arange(40) % 4
    return Dataset(info, inputs[:32], labels[:32], inputs[32:], labels[32:])


def images(_: object) -> Dataset:
    inputs = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return _dataset(images.info, inputs)  # type: ignore[attr-defined]


def texts(_: object) -> Dataset:
    inputs = torch.randint(0, 16, (40, 12), generator=torch.Generator().manual_seed(2))
    return _dataset(texts.info, inputs)  # type: ignore[attr-defined]


images.info = DatasetInfo(  # type: ignore[attr-defined]
    name="images",
    input_shape=(3, 16, 16),
    mean=(0.5,) * 3,
    std=(0.25,) * 3,
    **COUNTS,  # type: ignore[arg-type]
)
texts.info = DatasetInfo(  # type: ignore[attr-defined]
    name="texts",
    input_shape=(12,),
    mean=(),
    std=(),
    input_type="token",
    vocabulary=16,
    padding=3,
    **COUNTS,  # type: ignore[arg-type]
)
