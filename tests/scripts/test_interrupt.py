"""Ctrl-C during a sweep: the ranks end without a word, status 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from ranks import ROOT


@pytest.mark.parametrize("everyone", [False, True])
def test_ctrl_c(everyone: bool) -> None:
    """Whether the terminal sends it to the whole group, or somebody to the command alone."""
    command = [sys.executable, "-m", "ringtree", "sweep", "ppu-8", "--ranks", "2", "--algorithm", "ring"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI", "MPI_"))}
    process = subprocess.Popen(
        [*command, "--sizes", "1KiB,1MiB", "--iters", "100000", "--json"],
        cwd=ROOT, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(3)
    begin = time.monotonic()
    (os.killpg if everyone else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - begin < 10
    assert err == ""
    # The launcher may tell what it does; the ranks say nothing.
    assert all("mpi" in line for line in out.splitlines())
