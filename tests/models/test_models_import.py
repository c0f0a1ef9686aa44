"""The public namespace, which is imported lazily."""

import subprocess
import sys

import pytest

from cutlayer import models


def run(code):
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=600)


@pytest.mark.parametrize(
    "statement",
    [
        "import models",
        "import cutlayer.models.catalogue",
        "from cutlayer.models import MODELS, UnknownModelError, build, resolve",
    ],
)
def test_importing_does_not_import_torch(statement):
    run(f"{statement}; import sys; assert 'torch' not in sys.modules")


def test_every_public_name_can_be_imported():
    run("from models import *")
    assert sorted(models.__all__) == sorted(models._HOME)
    for name in models.__all__:
        assert getattr(models, name) is not None
        assert name in dir(models)


def test_public_names_are_the_objects_of_their_modules():
    from cutlayer.models.errors import WeightsError
    from cutlayer.models.model import Model

    assert models.Model is Model
    assert issubclass(WeightsError, ValueError)
    errors = [getattr(models, name) for name in models.__all__ if name.endswith("Error")]
    assert len(errors) == 7
    assert all(issubclass(error, ValueError) for error in errors)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'vgg99'"):
        _ = models.vgg99
