"""How a command ends when it runs on several ranks: all with one exit status, and one line of complaint."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from _ringtree.errors import Error, ResourceError
from ringtree.cli import complain, exit_status
from ringtree.launch import check_size, launcher_rank, one_thread_each

if TYPE_CHECKING:
    from mpi4py import MPI

PATIENCE_S = 5.0


def run_together(work: Callable[[], int]) -> int:
    """Do the work of this rank; returns the status that all ranks end with.

    An error that every rank meets is printed once; one that only some meet ends all of them.
    """
    one_thread_each()
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    try:
        check_size(world.Get_size())
        return work()
    except KeyboardInterrupt:
        # The launcher ends the others at the same moment: no time for MPI's farewell.
        os._exit(130)
    except Error as error:
        return _end(world, error)
    except MemoryError:
        return _end(world, ResourceError(f"rank {world.Get_rank()}: out of memory; smaller sizes or fewer ranks"))
    except BaseException:
        # A fault of ours: the other ranks would wait for ever for this one.
        traceback.print_exc()
        sys.stderr.flush()
        world.Abort(1)
        raise


def _end(world: MPI.Intracomm, error: Error) -> int:
    if world.Get_size() == 1:
        return complain(error) if launcher_rank() == 0 else exit_status(error)
    arrival, deadline = world.Ibarrier(), time.monotonic() + PATIENCE_S
    while not arrival.Test():
        if time.monotonic() > deadline:
            world.Abort(complain(error))
        time.sleep(0.001)
    # The worst status wins, and with it the lowest rank: others may only echo what happened there.
    worst = max(world.allgather((exit_status(error), -world.Get_rank())))
    return complain(error) if -worst[1] == world.Get_rank() else int(worst[0])
