"""MSCCL algorithm XML: algorithms of others as programs, and ours for their runtimes.

file ─ read ─▶ Algorithm ─ lower ─▶ Program           Program ─ blocks ─▶ Algorithm ─ write ─▶ file
"""

from __future__ import annotations

from .explain import explain
from .export import plan_to_msccl, program_to_msccl
from .layout import Form, require_made_for
from .limits import beyond
from .lower import lower
from .model import Algorithm, Block, Gpu, Step
from .read import read_algorithm

__all__ = [
    "Algorithm",
    "Block",
    "Form",
    "Gpu",
    "Step",
    "beyond",
    "explain",
    "lower",
    "plan_to_msccl",
    "program_to_msccl",
    "read_algorithm",
    "require_made_for",
]
