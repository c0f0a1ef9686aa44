"""The names of models of installed packages; importing this needs neither torch nor a package."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b, file_digest
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cutlayer.models.errors import ModelError
from cutlayer.models.packages.folders import folder_of, weights_in

if TYPE_CHECKING:
    from torch import nn

# The module whose `factory` makes the models of a package.
PACKAGES: Final[dict[str, str]] = {
    "transformers": "cutlayer.models.packages.hugging_face",
    "timm": "cutlayer.models.packages.images",
    "torchvision": "cutlayer.models.packages.images",
}


def package_of(name: str) -> tuple[str, str] | None:
    """Return the package and the model's name in it; None for a name without such a prefix."""
    package, colon, model = name.partition(":")
    return (package, model) if colon and package in PACKAGES else None


def factory(name: str) -> "Callable[..., nn.Module]":
    """Return the function that makes a model of a package. Raises ModelError without the package.

    It is called with `classes`, `input_shape`, `vocabulary`, `pretrained` and
    `padding`, or those of them that it has.
    """
    package, model = _installed(name)
    made: Callable[..., nn.Module] = import_module(PACKAGES[package]).factory(package, model)
    return made


def identity(name: str, pretrained: bool | None, *, weights: bool = True) -> str:
    """Return a fingerprint of what a name stands for, for this version of the package.

    It covers the configuration and, with `weights`, the weights that are loaded. The package is not
    imported, except for a repository of the hub.
    """
    package, model = _installed(name)
    parts = [name, version(package), str(bool(pretrained))]
    if package == "transformers":
        folder = folder_of(model)
        if folder is None:
            parts.append(import_module(PACKAGES[package]).revision(model))
        else:
            files = weights_in(folder)
            parts[0] = "transformers:"
            parts[2] = str(bool(files) and pretrained is not False)
            config = folder / "config.json"
            read = [config] if config.is_file() else []
            if weights and pretrained is not False:
                read += files
            parts += [_digest(file, file.stat().st_mtime_ns) for file in read]
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def _digest(file: Path, modified: int) -> str:
    del modified  # only part of the cache's key
    with file.open("rb") as content:
        return file_digest(content, "blake2b").hexdigest()


def _installed(name: str) -> tuple[str, str]:
    found = package_of(name)
    assert found is not None
    package, model = found
    if find_spec(package) is None:
        raise ModelError(f"model {name!r} needs {package}: pip install 'cutlayer[{package}]'")
    if not model:
        raise ModelError(f"model {name!r} has no name after the colon")
    return package, model
