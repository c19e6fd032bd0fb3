"""The front door: names, what importing it costs, and the command's ways to end."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import ringtree as command

import ringtree

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_the_distribution() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.*)"$', text, re.MULTILINE)[1] == ringtree.__version__  # type: ignore[index]


def test_every_public_name_exists() -> None:
    for name in ringtree.__all__:
        assert getattr(ringtree, name) is not None
    assert ringtree.load("ppu-8").name == "ppu-8"
    assert set(ringtree.__all__) <= set(dir(ringtree))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ringtree.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("import ringtree; ringtree.load('ppu-8'); ringtree.plan", ""),
        ("from ringtree.cli import main; main(['boards'])", ""),
        ("from ringtree.cli import main; main(['show', 'dgx1v'])", ""),
        (
            # Its bound needs no linear program.
            "from ringtree.cli import main; main(['simulate', 'ppu-8', '--bytes', '1MiB', '--algorithm', 'ring'])",
            "numpy",
        ),
    ],
)
def test_what_needs_no_ranks_imports_no_mpi_and_little_else(code: str, needs: str) -> None:
    heavy = {"mpi4py", "numpy", "matplotlib", "tqdm", "highspy", "scipy"} - {needs}
    check = f"import sys; sys.exit(str(sorted({heavy} & set(sys.modules)) or ''))"
    done = subprocess.run([sys.executable, "-c", f"{code}; {check}"], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() in ("", "[]")


def test_python_m_ringtree_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "ringtree", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"ringtree {ringtree.__version__}\n")


def test_a_reader_who_leaves_ends_it_quietly() -> None:
    line = f"set -o pipefail; {sys.executable} -m ringtree show ppu-8 | true"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["boards", "show", "simulate", "sweep", "convert", "train"])
def test_every_verb_has_help(verb: str) -> None:
    done = command(verb, "--help")
    assert done.status == 0
    assert done.out.startswith(f"usage: ringtree {verb}")
    assert verb in command("--help").out


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("ringtree.cli.run_verb", interrupted)
    assert command("boards").status == 130
