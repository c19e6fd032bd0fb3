"""One family of exceptions. `ringtree.Error` is the base; what bad input raises is an `InputError` (exit status 2)."""

from __future__ import annotations


class Error(Exception):
    """Anything that ringtree reports: one line that says what, where, found and expected."""


class InputError(Error):
    """A file, an argument or a buffer is not what it must be. The command exits with status 2."""


class TopologyError(InputError):
    """A topology file cannot be read; the text begins with file, line and column."""


class AssumptionError(InputError):
    """A figure that is unknown is needed; the text names the `--assume` that supplies it."""


class UnsupportedError(InputError):
    """A type the operation does not know, or an algorithm that does not exist or cannot run here."""


class NoRouteError(InputError):
    """Two devices that no path joins."""


class VerificationError(Error):
    """A program whose output is not the collective's, that cannot advance, or whose steps race.

    what: "wrong result", "deadlock", "race" or "invalid"; rank, lane and step say where (-1: at no one place).
    """

    what: str = ""
    rank: int = -1
    lane: int = -1
    step: int = -1


class ResourceError(Error):
    """Memory, /dev/shm or another thing of the host that ran out or was refused."""


class CommunicationError(Error):
    """A collective failed; the communicator is revoked."""


class CollectiveTimeoutError(CommunicationError, TimeoutError):
    """Ranks did not arrive in time; the text names the operation and who is missing."""


class MismatchError(CommunicationError):
    """The ranks disagree about the operation, its count or its type."""


class RevokedError(CommunicationError):
    """An earlier error ended this communicator; the text repeats it."""


class ForkedError(CommunicationError):
    """A communicator was used in a child of the process that made it."""
