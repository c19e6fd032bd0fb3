"""What compare_peers.py runs: the libraries' variants, an environment for each, and the launch of their ranks.

Environments come from PyPI, into a folder of their own; nothing else on the machine is touched. The shell's settings of
the libraries (MPIR_CVAR_*, OMPI_MCA_*, I_MPI_*, RINGTREE_*, ...) are not handed on: `VARIANTS` says all that is set.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Row = dict[str, Any]
ROOT = Path(__file__).resolve().parents[1]
RANK = Path(__file__).with_name("peers_rank.py")
CORES = len(os.sched_getaffinity(0))

MPI_EXTRAS = ("mpi4py", "numpy", "ml_dtypes")
PACKAGES = {
    "mpich": ("mpich", *MPI_EXTRAS),
    "openmpi": ("openmpi", *MPI_EXTRAS),
    "impi": ("impi-rt", *MPI_EXTRAS),
    "gloo": ("torch==2.13.0", "numpy"),
}
# What ringtree is built of.
SOURCES = ("csrc", "_ringtree", "topology", "emulator", "collectives", "ringtree", "setup.py", "pyproject.toml",
           "MANIFEST.in", "README.md", "LICENSE", "Makefile")  # fmt: skip
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.so", "*.o", "*.egg-info")
NOT_HANDED_ON = ("PMI", "OMPI_", "PRTE_", "MPI", "HYDRA_", "I_MPI_", "FI_", "UCX_", "GLOO_", "TORCH", "RINGTREE_",
                 "RANK", "WORLD_SIZE", "LOCAL_", "MASTER_", "PYTHON", "VIRTUAL_ENV")  # fmt: skip
ENDING_S = 5.0


class PeerError(Exception):
    """A library that cannot be installed, started or finished, and why."""


@dataclass(frozen=True)
class Settings:
    """Arguments of the launcher and environment variables."""

    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([*self.arguments, *(f"{name}={value}" for name, value in self.variables.items())])


@dataclass(frozen=True)
class Variant:
    """A library with settings: one set where every rank has a core of its own, one where it does not (`crowded`)."""

    name: str
    peer: str
    environment: str
    library: str
    roomy: Settings = Settings()
    crowded: Settings = Settings()
    component: str = ""  # of Open MPI, which not every build has

    def settings(self, ranks: int) -> Settings:
        """Those for so many ranks on this machine."""
        return self.roomy if ranks <= CORES else self.crowded


def _mpich(name: str, **variables: str) -> Variant:
    return Variant(name, "mpich", "mpich", "mpi", Settings(("-bind-to", "core"), variables), Settings((), variables))


def _openmpi(name: str, component: str = "") -> Variant:
    chosen = ("--mca", f"coll_{component}_priority", "100") if component else ()
    crowded = ("--map-by", ":OVERSUBSCRIBE", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", *chosen)
    return Variant(name, "openmpi", "openmpi", "mpi", Settings(("--bind-to", "core", *chosen)), Settings(crowded),
                   component)  # fmt: skip


def _impi(name: str, roomy: dict[str, str], crowded: dict[str, str]) -> Variant:
    shared = {"I_MPI_FABRICS": "shm"}
    return Variant(name, "impi", "impi", "mpi", Settings((), shared | roomy), Settings((), shared | crowded))


# Intel MPI binds ranks to cores by itself; Gloo has threads beside the ranks' own and is left to the scheduler.
GLOO = Settings((), {"GLOO_SOCKET_IFNAME": "lo"})
PEERS = (
    _mpich("mpich"),
    _mpich("mpich-gather", MPIR_CVAR_ALLREDUCE_COMPOSITION="3",
           MPIR_CVAR_ALLREDUCE_POSIX_INTRA_ALGORITHM="release_gather",
           MPIR_CVAR_BCAST_POSIX_INTRA_ALGORITHM="release_gather",
           MPIR_CVAR_BARRIER_POSIX_INTRA_ALGORITHM="release_gather"),
    _openmpi("openmpi"),
    _openmpi("openmpi-sm", "sm"),
    _openmpi("openmpi-xhc", "xhc"),
    _openmpi("openmpi-acoll", "acoll"),
    _impi("impi", {}, {}),
    # Never yields with a core of its own; else sleeps rather than spins.
    _impi("impi-wait", {"I_MPI_THREAD_YIELD": "0"}, {"I_MPI_WAIT_MODE": "1"}),
    Variant("gloo", "gloo", "gloo", "gloo", GLOO, GLOO),
)  # fmt: skip
PEER_NAMES = tuple(dict.fromkeys(variant.peer for variant in PEERS))


def variants(peers: list[str], mpi: str) -> list[Variant]:
    """Those of the named peers, then ringtree's, started as that MPI's own first variant is."""
    base = next(variant for variant in PEERS if variant.name == mpi)
    plain = replace(base, name="ringtree", peer="ringtree", environment=f"ringtree-{mpi}", library="ringtree")
    symmetric = replace(plain, name="ringtree-symmetric", library="ringtree-symmetric")
    lend_off = {"RINGTREE_LEND": "off"}
    unlent = replace(plain, name="ringtree-unlent", roomy=_also(plain.roomy, lend_off),
                     crowded=_also(plain.crowded, lend_off))  # fmt: skip
    return [variant for variant in PEERS if variant.peer in peers] + [plain, unlent, symmetric]


def _also(settings: Settings, variables: dict[str, str]) -> Settings:
    return replace(settings, variables=settings.variables | variables)


# -- environments -------------------------------------------------------------------------------------------------


def prepare(name: str, folder: Path) -> Path:
    """The Python of an environment, which is made, or made anew after ringtree's sources changed. Or PeerError."""
    home = folder / name
    ours = name.startswith("ringtree-")
    packages = PACKAGES[name.removeprefix("ringtree-")]
    wanted = json.dumps([packages, sources_hash() if ours else ""])
    stamp = home / "installed.json"
    python = home / "bin" / "python"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    stamp.unlink(missing_ok=True)
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(home)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, *packages])
    if ours:
        _install_ringtree(pip)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _install_ringtree(pip: list[str]) -> None:
    """From a copy: what setuptools leaves beside the sources must not meet what others build there."""
    with tempfile.TemporaryDirectory() as copy:
        for name in SOURCES:
            source, target = ROOT / name, Path(copy) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=LEFT_OUT)
            else:
                shutil.copy(source, target)
        _run([*pip, copy])
        _run([*pip, "--force-reinstall", "--no-deps", copy])


def sources_hash() -> str:
    """Of every file that ringtree is built of."""
    found = hashlib.sha256()
    for name in SOURCES:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix not in (".pyc", ".so", ".o"):
                found.update(f"{path.relative_to(ROOT)} {path.stat().st_size} ".encode())
                found.update(path.read_bytes())
    return found.hexdigest()


def check(variant: Variant, python: Path) -> None:
    """PeerError if this build of Open MPI lacks the component that the variant is about."""
    if not variant.component:
        return
    shown = subprocess.run([python.with_name("ompi_info")], env=_inherited(python), capture_output=True, text=True)
    if f"MCA coll: {variant.component} " not in shown.stdout:
        raise PeerError(f"this build of Open MPI has no coll/{variant.component}")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(_reason(done.stderr + done.stdout, f"{' '.join(command[1:4])}: status {done.returncode}"))


def _reason(text: str, otherwise: str) -> str:
    """The line of a program's output that says most: the first that names an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" -=*\t")]
    errors = [line for line in lines if re.search(r"(error|exception): *\S|terminate called", line, re.IGNORECASE)]
    return (errors[:1] or lines[-1:] or [otherwise])[0][:300]


# -- launches -----------------------------------------------------------------------------------------------------


def launch(variant: Variant, python: Path, ranks: int, order: dict[str, Any], limit_s: int) -> tuple[list[Row], str]:
    """What rank 0 wrote, and why there is no more of it if the ranks did not start, failed or exceeded the limit.

    The limit is each rank's own as well, for launchers put ranks into process groups where no kill of ours arrives.
    """
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=shared, prefix="compare-peers-") as folder:
        output, meeting, said = (Path(folder) / name for name in ("rows", "meeting", "said"))
        output.touch()
        meeting.write_bytes(bytes(64 * ranks))
        order = order | {"library": variant.library, "limit_s": limit_s + 10, "crowded": ranks > CORES,
                         "output": str(output), "meeting": str(meeting)}  # fmt: skip
        command = [*_launcher(variant, python, ranks), str(RANK), json.dumps(order)]
        environment = _inherited(python) | variant.settings(ranks).variables
        with said.open("wb") as file:
            status = _wait(command, environment, folder, file, limit_s)
        lines = output.read_text(encoding="utf-8").splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return rows, _failure(status, rows, ranks, said.read_text(encoding="utf-8", errors="replace"), limit_s)


def _failure(status: int | None, rows: list[Row], ranks: int, said: str, limit_s: int) -> str:
    if status is None:
        return f"not done after {limit_s} s, ended"
    if status:
        return _reason(said, f"status {status}")
    if not rows or rows[0]["ranks"] != ranks:
        return f"{ranks} ranks were started, but the library does not know of each other's"
    return ""


def _launcher(variant: Variant, python: Path, ranks: int) -> list[str]:
    if variant.library == "gloo":
        return [str(python), "-m", "torch.distributed.run", "--nnodes=1", "--master-addr=127.0.0.1",
                f"--master-port={_free_port()}", f"--nproc-per-node={ranks}"]  # fmt: skip
    return [str(python.with_name("mpiexec")), *variant.settings(ranks).arguments, "-n", str(ranks), str(python)]


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _inherited(python: Path) -> dict[str, str]:
    """This shell's variables without settings of any library; NumPy and torch start no threads beside the ranks."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(NOT_HANDED_ON)}
    found["PATH"] = f"{python.parent}{os.pathsep}{found.get('PATH', os.defpath)}"
    found |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if os.geteuid() == 0:
        found |= dict.fromkeys(("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), "1")
    return found


def _wait(command: list[str], environment: dict[str, str], folder: str, said: Any, limit_s: int) -> int | None:
    """The exit status, None if the time was up. Whatever happens, Ctrl-C too, the processes have ended then."""
    process = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=said,
                               stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks the launcher, which knows its ranks, to end; then kills what is left of the process group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDING_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
