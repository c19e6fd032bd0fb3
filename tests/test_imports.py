"""Imports run one way: scripts -> ringtree -> collectives -> emulator -> topology -> _ringtree."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["_ringtree", "topology", "emulator", "collectives", "ringtree", "scripts"]


def imported(path: Path) -> set[str]:
    """Top-level names of everything that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_no_package_reaches_up(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    files = list((ROOT / layer).rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & above, f"{path.relative_to(ROOT)} imports from a layer above"


def test_only_collectives_knows_mpi() -> None:
    for layer in ("_ringtree", "topology", "emulator"):
        for path in (ROOT / layer).rglob("*.py"):
            assert "mpi4py" not in imported(path), path


def test_the_planner_knows_no_communicator() -> None:
    for path in (ROOT / "collectives" / "planner").glob("*.py"):
        assert "mpi4py" not in imported(path), path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                assert (node.module or "").split(".")[0] == "msccl", path


def test_the_core_knows_neither_python_nor_mpi() -> None:
    for path in (ROOT / "csrc").glob("*.[ch]"):
        text = path.read_text(encoding="utf-8")
        assert "Python.h" not in text, path
        assert "mpi.h" not in text, path


@pytest.mark.parametrize("heavy", ["numpy", "mpi4py", "matplotlib", "defusedxml"])
def test_planning_starts_without_heavy_packages(heavy: str) -> None:
    code = f"import sys, ringtree, collectives, topology, emulator; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
