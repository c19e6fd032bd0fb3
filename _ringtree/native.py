"""The compiled core, and its status codes as exceptions."""

from __future__ import annotations

from typing import Any

from _ringtree import errors

try:
    import _ringtree_core
except ImportError as problem:  # pragma: no cover - only without a build
    raise ImportError(
        f"ringtree's C core is not built ({problem}); install the package with 'pip install .' or run 'make'"
    ) from problem

ffi: Any = _ringtree_core.ffi
lib: Any = _ringtree_core.lib

_EXCEPTIONS: dict[int, type[Exception]] = {
    lib.RT_ERR_INVALID: errors.InputError,
    lib.RT_ERR_NO_MEMORY: errors.ResourceError,
    lib.RT_ERR_NO_ROUTE: errors.NoRouteError,
    lib.RT_ERR_DEADLOCK: errors.VerificationError,
    lib.RT_ERR_WRONG_RESULT: errors.VerificationError,
    lib.RT_ERR_RACE: errors.VerificationError,
    lib.RT_ERR_OVERFLOW: errors.InputError,
    lib.RT_ERR_TIMEOUT: errors.CollectiveTimeoutError,
    lib.RT_ERR_MISMATCH: errors.MismatchError,
    lib.RT_ERR_REVOKED: errors.RevokedError,
    lib.RT_ERR_SYSTEM: errors.ResourceError,
    lib.RT_ERR_UNSUPPORTED: errors.UnsupportedError,
    lib.RT_ERR_FORKED: errors.ForkedError,
    lib.RT_ERR_BUSY: errors.CommunicationError,
}


def new_error() -> Any:
    """An rt_error for one call, or for a series of calls of one owner."""
    return ffi.new("rt_error *")


def text_of(error: Any) -> str:
    return str(ffi.string(error.text).decode("utf-8", "replace"))


def check(status: int, error: Any) -> int:
    """Return a status that is no error (RT_OK, RT_PENDING); raise the exception that stands for any other."""
    if status < 0:
        raise exception(status, text_of(error))
    return status


def exception(status: int, text: str) -> Exception:
    """What stands for a status below 0."""
    return _EXCEPTIONS[status](text)


def array(ctype: str, values: Any) -> Any:
    """A C array that the caller keeps alive, or NULL for an empty or missing one."""
    return ffi.new(f"{ctype}[]", values) if values else ffi.NULL
