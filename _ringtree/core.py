"""The C core as Python sees it: one place to import from."""

from _ringtree.names import ALGORITHMS, DTYPES, KINDS, OPS, REDUCING, dtype_size, require_op
from _ringtree.program import Collective, Program, Recipe, Tree, Verdict, find_cycles, supports, verify
from _ringtree.simulator import Board, Job, Record, Simulation, price, simulate

__all__ = [
    "ALGORITHMS",
    "DTYPES",
    "KINDS",
    "OPS",
    "REDUCING",
    "Board",
    "Collective",
    "Job",
    "Program",
    "Recipe",
    "Record",
    "Simulation",
    "Tree",
    "Verdict",
    "dtype_size",
    "find_cycles",
    "price",
    "require_op",
    "simulate",
    "supports",
    "verify",
]
