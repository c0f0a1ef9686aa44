"""Importing an object of a user's own, named `package.module:Object`.

This is the one place where Cutlayer executes code that a scenario names. A user's module is looked up
like any other, and where nothing else has its name, in the folder of the scenario's file and then in
the working directory. Both are on `sys.path` while a user's code is imported or called, at its end, and
at no other time: a file of the user's own never stands in for a module of Cutlayer, of Python or of an
installed package.
"""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, Final

from cutlayer.errors import UserError

NO_USER_CODE: Final = "CUTLAYER_NO_USER_CODE"

_folders: ContextVar[tuple[str, ...]] = ContextVar("folders", default=())
_forbidden = False
_searched: dict[str, tuple[str, ...]] = {}  # by top-level module: where it was looked up


class OwnObjectError(UserError):
    """A user's object that is not imported; the text says why."""


@contextmanager
def looking_in(folders: Sequence[str]) -> Iterator[None]:
    """Look up users' modules in these folders too, before the working directory."""
    token = _folders.set(tuple(dict.fromkeys([*folders, *_folders.get()])))
    try:
        yield
    finally:
        _folders.reset(token)


def beside(file: str) -> tuple[str, ...]:
    """Return where the modules that a scenario or study file names are looked up first: its folder."""
    return (str(Path(file).parent.resolve()),)


def forbid_user_code(forbid: bool = True) -> None:
    """Refuse to import users' objects from now on, as CUTLAYER_NO_USER_CODE=1 does."""
    global _forbidden
    _forbidden = forbid


def import_own(name: str) -> Any:
    """Return the object that `package.module:Object` names; the object's part may have dots.

    Raises OwnObjectError where users' code is forbidden, or where another file of the module's name
    goes before or has been imported; and whatever the user's module raises.
    """
    if _forbidden or os.environ.get(NO_USER_CODE, "") not in ("", "0"):
        raise OwnObjectError(
            f"it is a user's own code, and --no-user-code (or {NO_USER_CODE}) forbids to import that"
        )
    module, _, attributes = name.partition(":")
    top = module.partition(".")[0]
    folders = _places(top)
    _refuse_another(top, folders)
    try:
        with _at_the_end_of_the_path(folders):
            found = importlib.import_module(module)
            for attribute in attributes.split("."):
                found = getattr(found, attribute)
    except SystemExit:
        raise OwnObjectError(f"module {module} ends the program when it is imported") from None
    except (AttributeError, ModuleNotFoundError) as error:
        _explain_what_went_before(top, folders)
        raise error
    _searched[top] = folders
    return found


@contextmanager
def calling(name: str) -> Iterator[None]:
    """Let a user's object import modules that lie beside it while it is called.

    `name` is what it was imported by; any other name changes nothing.
    """
    folders = _searched.get(name.partition(":")[0].partition(".")[0], ()) if ":" in name else ()
    with _at_the_end_of_the_path(folders):
        yield


def _places(top: str) -> tuple[str, ...]:
    """Return the folders in which a module is looked up; those of before where none are named now."""
    if not _folders.get() and top in _searched:
        return _searched[top]
    return tuple(dict.fromkeys([*_folders.get(), str(Path.cwd())]))


@contextmanager
def _at_the_end_of_the_path(folders: Sequence[str]) -> Iterator[None]:
    added = [folder for folder in folders if folder not in sys.path]
    sys.path.extend(added)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for folder in added:
            if folder in sys.path:  # the last of them: a user's module may have put it first itself
                del sys.path[len(sys.path) - 1 - sys.path[::-1].index(folder)]


def _refuse_another(top: str, folders: Sequence[str]) -> None:
    """Refuse a module whose name an earlier scenario's module, from another file, has taken."""
    loaded = getattr(sys.modules.get(top), "__spec__", None)
    if not _folders.get() or top not in _searched or loaded is None:
        return
    if PathFinder.find_spec(top) is not None:
        return  # on Python's own path: Python's own rule, that the first one imported stays
    wanted = PathFinder.find_spec(top, list(folders))
    if wanted is not None and _file(wanted) != _file(loaded):
        raise OwnObjectError(
            f"module {top} of {_file(wanted)} cannot be imported: this process has imported the one of"
            f" {_file(loaded)}; rename one of them, or use a process for each"
        )


def _explain_what_went_before(top: str, folders: Sequence[str]) -> None:
    """Raise OwnObjectError where a user's module stands behind another one of the same name."""
    found = getattr(sys.modules.get(top), "__spec__", None)
    meant = PathFinder.find_spec(top, list(folders))
    if found is not None and meant is not None and _file(meant) != _file(found):
        raise OwnObjectError(
            f"{_file(meant)} has the name of another module ({_file(found)}), which goes before it;"
            " rename yours"
        )


def _file(spec: ModuleSpec) -> str:
    """Return a module's file, or the folder of a package without a file of its own."""
    return spec.origin or next(iter(spec.submodule_search_locations or ()), spec.name)
