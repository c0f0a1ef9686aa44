"""Where the folder of a model's configuration and weights is; importing this needs no package."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from cutlayer.models.errors import ModelError
from cutlayer.models.own_object import folders_looked_in
from cutlayer.models.packaged import packaged

_WEIGHTS: Final = ("*.safetensors", "pytorch_model*.bin")


def folder_of(name: str) -> Path | None:
    """Return the folder of a name, or None for what can only be a repository of the hub.

    It is looked up beside the scenario, in the working directory, and in installed packages. Raises
    ModelError for a path that does not exist.
    """
    path = Path(name).expanduser()
    places = [path] if path.is_absolute() else [*map(Path, folders_looked_in()), Path.cwd()]
    found = next((at / path for at in places if (at / path).is_dir()), None) or packaged(name)
    if found is not None:
        return found.resolve()
    first, _, rest = name.partition("/")
    if path.is_absolute() or first in ("", ".", "..", "~") or rest.count("/"):
        raise ModelError(f"there is no folder {name!r} beside the scenario or in a package")
    spec = find_spec(first) if rest and first.isidentifier() else None
    if spec is not None and spec.origin is not None:
        raise ModelError(f"package {first} has no folder {rest!r}")
    return None


def weights_in(folder: Path) -> list[Path]:
    """Return the files with weights in a folder."""
    return sorted(file for pattern in _WEIGHTS for file in folder.glob(pattern))
