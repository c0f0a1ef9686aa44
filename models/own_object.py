"""Import a user's own object, named `package.module:Object`.

This is the only place where Cutlayer executes code that a scenario names. The module is looked up in
the folder of the scenario file, then in the working directory. A file there does not replace a module
of Cutlayer, the standard library or an installed package: for such a name the latter is imported.

A module found in a folder is imported as `cutlayer.models.own_object.KEY.NAME`, where KEY encodes the
folder. Modules of one name in two folders are therefore two modules, and none hides another. Any
process can import the full name, as unpickling does. Import statements in such a module find its
siblings in the same way, whenever they are executed. A module whose file `import NAME` finds as well,
such as one beside a script, is imported as usual, so that the script and Cutlayer share it.
"""

import builtins
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.models.given_objects import given
from cutlayer.suggestion import suggestion

NO_USER_CODE: Final = "CUTLAYER_NO_USER_CODE"
_ROOT: Final = Path(__file__).resolve().parents[1]  # of the repository, or of the package
_FORBIDDEN: Final = (
    f"it is a user's own code, and --no-user-code (or {NO_USER_CODE}) forbids importing it"
)

__path__: list[str] = []  # makes this module the parent package of users' modules
_PREFIX: Final = f"{__name__}."
_FIRST: Final = frozenset({"cutlayer", *sys.stdlib_module_names, *sys.builtin_module_names})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})

_folders: ContextVar[tuple[str, ...]] = ContextVar("folders", default=())
_imported_from: dict[str, set[str]] = {}  # the folders of each top-level module
_forbidden = False


class OwnObjectError(UserError):
    """A user's object that cannot be imported."""


@contextmanager
def looking_in(folders: Iterable[str]) -> Iterator[None]:
    """Look up users' modules in these folders first, then in those of an outer call."""
    token = _folders.set(tuple(dict.fromkeys([*folders, *_folders.get()])))
    try:
        yield
    finally:
        _folders.reset(token)


def folders_looked_in() -> tuple[str, ...]:
    """Return the folders of the `looking_in` calls in effect."""
    return _folders.get()


def beside(file: str) -> tuple[str, ...]:
    """Return the folder of a scenario or study file, for `looking_in`."""
    return (str(Path(file).parent.resolve()),)


def forbid_user_code(forbid: bool = True) -> None:
    """Refuse to import users' objects from now on, as CUTLAYER_NO_USER_CODE=1 does."""
    global _forbidden
    _forbidden = forbid


def import_own(name: str) -> Any:
    """Return the object `package.module:Object`; the part after the colon may have dots.

    An object that a program gave in place of a name is returned as it is. Raises OwnObjectError if
    users' code is forbidden or the object cannot be imported, and whatever the user's module raises.
    """
    if (known := given(name)) is not None:
        return known.value
    module = import_own_module(name.partition(":")[0])
    own: Any = module
    for attribute in name.partition(":")[2].split("."):
        try:
            own = getattr(own, attribute)
        except AttributeError:
            _explain_precedence(module)
            where = plain_name(getattr(own, "__name__", type(own).__name__))
            main = " here: move it from the script or notebook to a module"
            public = [one for one in dir(own) if not one.startswith("_")]
            hint = main if where == "__main__" else suggestion(attribute, public, listed=0)
            raise OwnObjectError(f"{where} has no attribute {attribute!r}{hint}") from None
    return own


def import_own_or(error: type[UserError], what: str, name: str) -> Any:
    """Return the object, or raise `error` with the sentence `what` and the reason."""
    try:
        return import_own(name)
    except OwnObjectError as reason:
        raise error(f"{what}: {reason}") from None
    except Exception as reason:  # a user's module may raise anything
        raise error(f"{what} ({reason_of(reason)})") from reason


def import_own_module(name: str) -> ModuleType:
    """Import the module of a user's object. Raises what `import_own` raises."""
    if _forbids():
        raise OwnObjectError(_FORBIDDEN)
    top = name.partition(".")[0]
    importlib.invalidate_caches()
    folder = _home(top, _candidates(top))
    try:
        module = importlib.import_module(name if folder is None else _full_name(name, folder))
    except SystemExit:
        raise OwnObjectError(f"module {name} ends the program when it is imported") from None
    except Exception as error:
        if folder is None and isinstance(error, ModuleNotFoundError):
            if top in sys.modules:
                _explain_precedence(sys.modules[top])
            elif error.name == top:
                raise _not_found(top) from None
        if isinstance(error, ModuleNotFoundError) and name.endswith(".py"):
            rule = f"{name} is a file: name its module, {name.removesuffix('.py')}"
            raise OwnObjectError(rule) from None
        if isinstance(error, ImportError):
            error.msg = plain_name(error.msg)
        error.args = tuple(plain_name(a) if isinstance(a, str) else a for a in error.args)
        raise
    if folder is not None:
        _imported_from.setdefault(top, set()).add(folder)
    return module


def _not_found(top: str) -> OwnObjectError:
    """Return the error of a module that is in no folder."""
    folders = dict.fromkeys(_candidates(top))
    near = [found.name for folder in folders for found in iter_modules([folder])]
    hint = suggestion(top, near, listed=0)
    return OwnObjectError(f"there is no module {top} in {' or '.join(folders)}{hint}")


def plain_name(text: str) -> str:
    """Return a module's name, or a message about modules, as a user knows it, without folders."""
    while _PREFIX in text:
        before, _, after = text.partition(_PREFIX)
        text = before + after.partition(".")[2]
    return text


def is_own(module: str) -> bool:
    """Return whether a module's name is that of one from a user's folder."""
    return module.startswith(_PREFIX)


def reason_of(error: Exception) -> str:
    """Return the type and the first line of an error that a user's code raised."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _forbids() -> bool:
    return _forbidden or os.environ.get(NO_USER_CODE, "") not in ("", "0")


def _candidates(top: str) -> Sequence[str]:
    """Return the folders to search; outside `looking_in` the one that the module came from before."""
    if _folders.get() or top not in _imported_from:
        return [*_folders.get(), str(Path.cwd())]
    known = sorted(_imported_from[top])
    if len(known) > 1:
        raise OwnObjectError(f"module {top} was imported from several folders: {', '.join(known)}")
    return known


def _home(top: str, folders: Iterable[str]) -> str | None:
    """Return the first folder with a module; None if `import top` is to find it instead."""
    matches = [(at, spec) for at in folders if (spec := PathFinder.find_spec(top, [at]))]
    if not matches:
        return None
    # A module takes precedence over a plain folder of its name, as on Python's own path.
    folder, own = next((match for match in matches if match[1].origin), matches[0])
    usual = _usual(top)
    if usual is None and top not in _FIRST:
        return folder
    behind = own.origin is None and usual is not None and usual.origin is not None
    installed = bool(_INSTALLED & set(Path(_file(usual)).parts))
    same = _file(own) == _file(usual)
    return None if top in _FIRST or behind or installed or same else folder


def _usual(top: str) -> ModuleSpec | None:
    """Return what `import top` finds, if anything other than a folder of Cutlayer's repository."""
    try:
        spec = find_spec(top)
    except ValueError:  # a module without a spec, such as __main__
        return None
    is_ours = top != "cutlayer" and _file(spec) == str(_ROOT / top / "__init__.py")
    return None if is_ours else spec


def _file(spec: ModuleSpec | None) -> str:
    """Return a module's file, or the folder of a package without a file."""
    if spec is None:
        return ""
    file = spec.origin or next(iter(spec.submodule_search_locations or ()), spec.name)
    return os.path.realpath(file) if os.path.exists(file) else file  # noqa: PTH110


def _explain_precedence(module: ModuleType) -> None:
    """Raise OwnObjectError if a user's file has the name of a module that goes first."""
    top = module.__name__.partition(".")[0]
    if is_own(module.__name__):
        return
    for folder in _candidates(top):
        own = PathFinder.find_spec(top, [folder])
        usual = _usual(top)
        if own is not None and usual is not None and _file(own) != _file(usual):
            raise OwnObjectError(
                f"{_file(own)} has the name of another module ({_file(usual)}), which goes first;"
                " rename yours"
            )


def _full_name(name: str, folder: str) -> str:
    return f"{_PREFIX}_{os.fsencode(folder).hex()}.{name}"


def _folder(key: str) -> str:
    """Return the folder of a key. Raises ValueError if it is not one."""
    return os.fsdecode(bytes.fromhex(key.removeprefix("_")))


class _OwnFinder(MetaPathFinder):
    """Finds `cutlayer.models.own_object.KEY` and the modules in that folder."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not is_own(fullname):
            return None
        if _forbids():
            raise ModuleNotFoundError(_FORBIDDEN, name=fullname)
        key, _, module = fullname.removeprefix(_PREFIX).partition(".")
        if not module:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [_folder(key)]
            return spec
        own = PathFinder.find_spec(fullname, path, target)
        if own is not None and isinstance(own.loader, SourceFileLoader):
            own.loader = _OwnLoader(fullname, own.loader.path)
        return own


class _OwnLoader(SourceFileLoader):
    """Loads a user's module, whose import statements look in its folder."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module with an `__import__` of its own."""
        folder = _folder(self.name.removeprefix(_PREFIX).partition(".")[0])

        def import_(
            name: str,
            globals: Mapping[str, object] | None = None,  # noqa: A002
            locals: Mapping[str, object] | None = None,  # noqa: A002
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            top = name.partition(".")[0]
            if level or _home(top, [folder]) is None:
                return builtins.__import__(name, globals, locals, fromlist or (), level)
            full = _full_name(name, folder)
            if fromlist:
                return builtins.__import__(full, globals, locals, fromlist)
            importlib.import_module(full)
            return sys.modules[_full_name(top, folder)]

        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": import_}
        super().exec_module(module)


sys.meta_path.insert(0, _OwnFinder())  # before the one of Python, which finds the same files
