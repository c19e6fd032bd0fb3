"""Data-parallel training: every rank has the network and a share of each batch; gradients are summed over the ranks.

The same loop runs on ringtree's communicator and on MPI.COMM_WORLD. Work is charged to the chip where there is one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from mpi4py import MPI

from collectives import Communicator
from ringtree.network import Network, Work

Array = Any
CLASSES = 10


@dataclass(frozen=True)
class Recipe:
    """batch: samples of all ranks together in a step. dtype: the type whose rate the chip is charged at."""

    epochs: int
    batch: int
    hidden: int
    rate: float
    momentum: float
    dtype: str
    seed: int


@dataclass(frozen=True)
class Data:
    """Features of shape (samples, 64) in float32, labels 0 to 9."""

    inputs: Array
    labels: Array
    test_inputs: Array
    test_labels: Array


@dataclass(frozen=True)
class Epoch:
    """Means over the steps of an epoch, us a step on the slowest rank."""

    epoch: int
    loss: float
    accuracy: float
    step_us: float
    compute_us: float
    communication_us: float


class Meter(Protocol):
    """Tells the time in us, and makes work take its time."""

    def now(self) -> float: ...
    def charge(self, work: Work) -> None: ...


class HostMeter:
    """The host's own time: work takes what it takes."""

    def now(self) -> float:
        return time.perf_counter_ns() / 1e3

    def charge(self, work: Work) -> None:
        pass


class ChipMeter:
    """The emulated time of this rank's chip."""

    def __init__(self, comm: Communicator, dtype: str) -> None:
        assert comm.device is not None
        self.comm, self.device, self.dtype = comm, comm.device, dtype

    def now(self) -> float:
        return self.comm.elapsed_us

    def charge(self, work: Work) -> None:
        self.device.compute(flops=work.flops, bytes=work.bytes, dtype=self.dtype)


def meter_of(comm: MPI.Intracomm, dtype: str) -> Meter:
    """The chip's where the communicator has one."""
    if isinstance(comm, Communicator) and comm.device is not None:
        return ChipMeter(comm, dtype)
    return HostMeter()


def load_digits(seed: int) -> Data:
    """scikit-learn's digits, 1,797 of them, a fifth kept for the test. Rank 0 reads, all get them."""
    whole = None
    if MPI.COMM_WORLD.Get_rank() == 0:
        from sklearn import datasets

        digits = datasets.load_digits()
        order = np.random.default_rng(seed).permutation(len(digits.target))
        whole = (digits.data[order] / 8 - 1).astype(np.float32), digits.target[order]
    inputs, labels = MPI.COMM_WORLD.bcast(whole)
    kept = len(labels) // 5
    return Data(inputs[kept:], labels[kept:], inputs[:kept], labels[:kept])


class Trainer:
    """One rank of the training; all ranks hold the same parameters at every step."""

    def __init__(self, comm: MPI.Intracomm, data: Data, recipe: Recipe) -> None:
        self.comm, self.data, self.recipe = comm, data, recipe
        self.network = Network((data.inputs.shape[1], recipe.hidden, CLASSES), recipe.seed)
        self.meter = meter_of(comm, recipe.dtype)
        # The loss travels with the gradients.
        self.message = np.zeros(self.network.count + 1, np.float32)

    @property
    def largest_share(self) -> int:
        """Samples of the rank that has the most."""
        return -(-self.recipe.batch // self.comm.Get_size())

    def run(self) -> Iterator[Epoch]:
        """Train; the results of each epoch, the same on every rank."""
        for epoch in range(self.recipe.epochs):
            order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.data.labels))
            steps = len(order) // self.recipe.batch
            loss, times = 0.0, np.zeros(2)
            for batch in order[: steps * self.recipe.batch].reshape(steps, self.recipe.batch):
                share, spent = self._step(batch)
                loss += share / steps
                times += np.array(spent) / steps
            compute, communication = max(map(tuple, MPI.COMM_WORLD.allgather(times.tolist())))
            accuracy = self.network.accuracy(self.data.test_inputs, self.data.test_labels)
            yield Epoch(epoch + 1, loss, accuracy, compute + communication, compute, communication)

    def _step(self, batch: Array) -> tuple[float, tuple[float, float]]:
        """Loss of the batch, and us that this rank spent on computing and on communication (with waiting)."""
        network, meter = self.network, self.meter
        mine = batch[self.comm.Get_rank() :: self.comm.Get_size()]
        begin = meter.now()
        values = network.forward(self.data.inputs[mine])
        self.message[-1] = network.backward(values, self.data.labels[mine], len(batch), self.message[:-1])
        meter.charge(network.work_of_gradients(len(mine)))
        computed = meter.now()
        self.comm.Allreduce(MPI.IN_PLACE, self.message)
        reduced = meter.now()
        network.update(self.message[:-1], self.recipe.rate, self.recipe.momentum)
        meter.charge(network.work_of_update())
        end = meter.now()
        return float(self.message[-1]), (computed - begin + end - reduced, reduced - computed)
