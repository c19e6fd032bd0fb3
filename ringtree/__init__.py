"""ringtree: collective communication on boards of emulated accelerators.

comm = ringtree.Communicator(MPI.COMM_WORLD, board="ppu-8")     # an MPI.Intracomm whose collectives run on the board
plan = ringtree.plan(ringtree.load("ppu-8"), "all_reduce", nbytes=1 << 26)

Names are looked up when first used, so that boards, plans and simulation work without MPI.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from _ringtree import __version__

if TYPE_CHECKING:
    from _ringtree.errors import (
        AssumptionError,
        CollectiveTimeoutError,
        CommunicationError,
        Error,
        ForkedError,
        InputError,
        MismatchError,
        NoRouteError,
        ResourceError,
        RevokedError,
        TopologyError,
        UnsupportedError,
        VerificationError,
    )
    from collectives import AVG, BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, Communicator, Plan, plan, repair
    from emulator import Device
    from topology import Topology, load, loads, slow, without

_HOMES = {
    "_ringtree.errors": (
        "AssumptionError",
        "CollectiveTimeoutError",
        "CommunicationError",
        "Error",
        "ForkedError",
        "InputError",
        "MismatchError",
        "NoRouteError",
        "ResourceError",
        "RevokedError",
        "TopologyError",
        "UnsupportedError",
        "VerificationError",
    ),
    "collectives": (
        "AVG",
        "BFLOAT16",
        "FLOAT16",
        "FLOAT8_E4M3FN",
        "FLOAT8_E5M2",
        "Communicator",
        "Plan",
        "plan",
        "repair",
    ),
    "emulator": ("Device",),
    "topology": ("Topology", "load", "loads", "slow", "without"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AVG",
    "BFLOAT16",
    "FLOAT8_E4M3FN",
    "FLOAT8_E5M2",
    "FLOAT16",
    "AssumptionError",
    "CollectiveTimeoutError",
    "CommunicationError",
    "Communicator",
    "Device",
    "Error",
    "ForkedError",
    "InputError",
    "MismatchError",
    "NoRouteError",
    "Plan",
    "ResourceError",
    "RevokedError",
    "Topology",
    "TopologyError",
    "UnsupportedError",
    "VerificationError",
    "__version__",
    "load",
    "loads",
    "plan",
    "repair",
    "slow",
    "without",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'ringtree' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
