"""Every algorithm in every collective that it exists for, with and without a board."""

from __future__ import annotations

import pytest
from calls import CALLS, Case
from mpi4py import MPI
from opened import torus

import ringtree

pytestmark = pytest.mark.mpi

ALL = tuple(CALLS)
TREES = ("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "barrier")
COLLECTIVES = {
    "ring": ("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce"),
    "tree": TREES,
    "binary_tree": TREES,
    "binomial": (*TREES, "gather", "scatter"),
    "star": (*TREES, "gather", "scatter"),
    "one_shot": ("all_reduce", "all_gather", "broadcast", "gather", "scatter", "all_to_all", "barrier"),
    "two_shot": ("all_reduce", "reduce_scatter", "all_gather"),
    "recursive_doubling": ("all_reduce", "all_gather", "barrier"),
    "rabenseifner": ("all_reduce", "reduce_scatter", "all_gather"),
    "pairwise": ("all_to_all",),
    "two_level": TREES,
    "forest": TREES[:-1],
    "bucket": ("all_reduce", "reduce_scatter", "all_gather"),
    "swing": ("all_reduce",),
    "auto": ALL,
}
# These halve the ranks again and again where no rank may be left over.
POWERS_OF_TWO = {
    ("recursive_doubling", "all_gather"),
    ("rabenseifner", "reduce_scatter"),
    ("rabenseifner", "all_gather"),
    ("swing", "all_reduce"),
}
VARIANTS = {
    "ring": ("ring", "ring:channels=1:chunks=1", "ring:channels=3:chunks=5:depth=1"),
    "tree": ("tree", "tree:chunks=7:pace=1:depth=1"),
    "star": ("star:chunks=3:pace=0",),
    "two_shot": ("two_shot", "two_shot:chunks=4:pace=3"),
    "forest": ("forest", "forest:chunks=3:pace=1:depth=1"),
    "bucket": ("bucket", "bucket:chunks=5:depth=4"),
    "swing": ("swing:whole=0", "swing:whole=1:depth=1"),
}
SPECIFICATIONS = [text for name in COLLECTIVES for text in VARIANTS.get(name, (name,))]

RANKS = MPI.COMM_WORLD.Get_size()


def runs(name: str, kind: str) -> bool:
    return kind in COLLECTIVES[name] and ((name, kind) not in POWERS_OF_TWO or RANKS & (RANKS - 1) == 0)


def board_for(name: str) -> dict[str, object]:
    """A torus, or a board of several boards, the ranks dealt out among them, where the algorithm needs one."""
    if name in ("bucket", "swing"):
        return {"board": torus()}
    if name != "two_level":
        return {"board": "ppu-8"}
    return {"board": "ppu-4x8", "devices": [8 * (r % 3) + r // 3 for r in range(RANKS)]}


@pytest.mark.parametrize("text", SPECIFICATIONS)
@pytest.mark.parametrize("emulated", [False, True], ids=["host", "board"])
def test_every_collective_is_right(text: str, emulated: bool) -> None:
    name = text.partition(":")[0]
    if name == "two_level" and (RANKS == 1 or not emulated):
        pytest.skip("two levels need two boards")
    if name == "forest" and (RANKS == 1 or not emulated):
        pytest.skip("forests grow on the links of a board")
    if name in ("bucket", "swing") and (RANKS < 3 or not emulated):
        pytest.skip("a torus has three chips or more")
    comm = ringtree.Communicator(MPI.COMM_WORLD, algorithm=text, **(board_for(name) if emulated else {}))
    for kind, calls in CALLS.items():
        if not runs(name, kind):
            continue
        for call in calls:
            for number, count in enumerate((0, 1, 3, 1000)):
                call(comm, Case(count=count, root=number, seed=number, in_place=number == 2))
    comm.Free()
