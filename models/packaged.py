"""Files within installed packages, such as pre-trained models that are published as packages."""

from importlib.util import find_spec
from pathlib import Path, PurePosixPath


def packaged(name: str) -> Path | None:
    """Return the file or folder `package/rest/of/path` of an installed package, None if there is none.

    The package is not imported.
    """
    package, *rest = PurePosixPath(name).parts or ("",)
    if not package.isidentifier() or not rest or ".." in rest:
        return None
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # a module without a spec, such as __main__
        return None
    if spec is None or spec.origin is None:  # without a file, it may be any folder on Python's path
        return None
    found = (Path(folder, *rest) for folder in spec.submodule_search_locations or ())
    return next((path for path in found if path.exists()), None)
