"""Train a small network on scikit-learn's digits, data-parallel: each rank on a chip of the board.

Every step charges the chip for its operations and bytes and all-reduces the gradients; printed are loss, accuracy and
emulated time a step, and why it takes that long on this board. --board none runs at the host's speed, --plain on
MPI.COMM_WORLD without ringtree. Starts its own ranks when it does not run under mpirun already.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError
from ringtree.cli import options

if TYPE_CHECKING:
    from mpi4py import MPI

    from ringtree.training import Epoch, Trainer
    from topology import Topology

NBYTES_OF_FLOAT32 = 4


def add_arguments(parser: ArgumentParser) -> None:
    from emulator.device import RATES

    option = parser.add_argument
    option("--board", default="c500-8", help="a shipped board, a file, or none (default: c500-8)")
    option("--plain", action="store_true", help="on MPI.COMM_WORLD, without ringtree and without a board")
    options.add_figures(parser)
    options.add_placement(parser)
    option("--clock", choices=options.CLOCKS, help="default: virtual on a board, off with none")
    option("--algorithm", default=None, help="of the all-reduce (default: RINGTREE_ALGO, else auto)")
    option("--epochs", type=options.whole(1), default=5, help="default: 5")
    option("--batch", type=options.whole(1), default=256, help="samples a step on all ranks together (default: 256)")
    option("--hidden", type=options.whole(1), default=128, help="width of the hidden layer (default: 128)")
    option("--rate", type=_positive, default=0.05, help="learning rate (default: 0.05)")
    option("--momentum", type=_positive, default=0.9, help="default: 0.9")
    option("--seed", type=options.whole(0), default=0, help="of weights and order (default: 0)")
    option("--dtype", choices=tuple(RATES), default="float16", metavar="TYPE",
           help=f"the type whose rate the chip is charged at (default: float16): {', '.join(RATES)}")  # fmt: skip
    option("--json", action="store_true", help="one object on stdout, nothing else")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e3:
        raise ArgumentTypeError(f"found {text!r}; expected a number above 0 and below 1000")
    return value


def run(arguments: Namespace) -> int:
    from ringtree.launch import launch, under_mpi

    if under_mpi():
        from ringtree.together import run_together

        return run_together(lambda: _run_rank(arguments))
    _, ranks = _check(arguments)
    if ranks is None:
        raise InputError("--ranks: how many is not said; a board would tell")
    return launch(["train", *arguments.argv], ranks)


def _check(arguments: Namespace) -> tuple[Topology | None, int | None]:
    """The board, and how many ranks there are to be; everything that can be wrong with the arguments."""
    if find_spec("sklearn") is None:
        raise InputError("train: the digits come with scikit-learn; pip install 'ringtree[train]'")
    assume = Assumptions.parse(arguments.assume)
    if arguments.plain or arguments.board == "none":
        if arguments.clock not in (None, "off"):
            raise InputError(f"--clock: found {arguments.clock}; without a board the clock is off")
        options.refuse_unused(assume)
        return None, arguments.ranks
    board = options.load_board(arguments, arguments.board, assume)
    request = options.placement(arguments, board)
    if arguments.algorithm:
        from collectives import parse

        parse(arguments.algorithm)
    if arguments.batch < request[0]:
        raise InputError(f"--batch: found {arguments.batch}; expected a sample at least for each of {request[0]} ranks")
    options.require_profiles(board, assume, arguments.dtype)
    options.refuse_unused(assume)
    return board, request[0]


def _run_rank(arguments: Namespace) -> int:
    from mpi4py import MPI

    from ringtree.training import Recipe, Trainer, load_digits

    size = MPI.COMM_WORLD.Get_size()
    if arguments.ranks not in (None, size):
        raise InputError(f"--ranks: found {arguments.ranks}; mpirun started {size}")
    arguments.ranks = size
    board, _ = _check(arguments)
    comm = _communicator(arguments, board)
    recipe = Recipe(
        arguments.epochs, arguments.batch, arguments.hidden, arguments.rate, arguments.momentum, arguments.dtype,
        arguments.seed,
    )  # fmt: skip
    data = load_digits(arguments.seed)
    if arguments.batch > len(data.labels):
        raise InputError(f"--batch: found {arguments.batch}; there are {len(data.labels)} samples to train on")
    trainer = Trainer(comm, data, recipe)
    shown = MPI.COMM_WORLD.Get_rank() == 0
    epochs = []
    for epoch in trainer.run():
        epochs.append(epoch)
        if shown and not arguments.json:
            _print_epoch(arguments, comm, epoch)
    if shown:
        _print_end(arguments, trainer, epochs)
    return 0


def _communicator(arguments: Namespace, board: Topology | None) -> MPI.Intracomm:
    from mpi4py import MPI

    if arguments.plain:
        return MPI.COMM_WORLD
    from collectives import Communicator

    assume = Assumptions.parse(arguments.assume)
    comm: MPI.Intracomm = Communicator(
        MPI.COMM_WORLD,
        board or "none",
        arguments.clock,
        devices=arguments.devices,
        algorithm=arguments.algorithm,
        assume=assume,
    )
    return comm


def _print_epoch(arguments: Namespace, comm: MPI.Intracomm, epoch: Epoch) -> None:
    if epoch.epoch == 1:
        where = "MPI.COMM_WORLD" if arguments.plain else arguments.board
        clock = getattr(comm, "clock", "off")
        print(f"# ringtree train: digits on {where}, {comm.Get_size()} ranks, clock {clock}, batch {arguments.batch}")
        print(f"{'epoch':>5}  {'loss':>8}  {'accuracy':>8}  {'step us':>10}  {'compute us':>10}  {'comm. us':>10}")
    print(
        f"{epoch.epoch:>5}  {epoch.loss:>8.4f}  {epoch.accuracy:>8.1%}  {epoch.step_us:>10.3f}"
        f"  {epoch.compute_us:>10.3f}  {epoch.communication_us:>10.3f}",
        flush=True,
    )


def _print_end(arguments: Namespace, trainer: Trainer, epochs: list[Epoch]) -> None:
    facts = _reasons(arguments, trainer)
    comm = trainer.comm
    assumed = list(getattr(comm, "assumed", ()))
    dilation = getattr(comm, "dilation", None)
    if arguments.json:
        import json

        head = {
            "board": None if arguments.plain else arguments.board,
            "ranks": comm.Get_size(),
            "clock": getattr(comm, "clock", "off"),
            "dilation": dilation,
            "parameters": trainer.network.count,
            "batch": arguments.batch,
            "epochs": [asdict(epoch) for epoch in epochs],
        }
        print(json.dumps(head | facts | {"assumed": assumed}, allow_nan=False))
        return
    last = epochs[-1]
    share = last.communication_us / last.step_us if last.step_us else 0.0
    print(f"# a step is {1 - share:.0%} compute and {share:.0%} communication")
    for name, fact in facts.items():
        print(f"# {name}: {fact}")
    if dilation is not None:
        print(f"# wall clock: emulated time stretched {dilation:g} times")
    if assumed:
        print(f"# assumed: {', '.join(assumed)}")


def _reasons(arguments: Namespace, trainer: Trainer) -> dict[str, Any]:
    """Why compute and communication take their time; the host's speed needs no reason."""
    from collectives import Communicator
    from ringtree import reasons

    comm = trainer.comm
    if not isinstance(comm, Communicator) or comm.device is None:
        return {"compute": "the host's own speed", "communication": "the host's own speed"}
    network = trainer.network
    kernels = [network.work_of_gradients(trainer.largest_share), network.work_of_update()]
    plan = comm.plan("all_reduce", len(trainer.message) * NBYTES_OF_FLOAT32)
    return {
        "compute": reasons.of_compute(comm.device, kernels, arguments.dtype),
        "communication": reasons.of_communication(plan),
    }
