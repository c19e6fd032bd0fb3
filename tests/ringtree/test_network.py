"""The network: its gradients against differences of the loss, and the work that it charges."""

from __future__ import annotations

import numpy as np
import pytest

from ringtree.network import Network


def loss(network: Network, inputs: np.ndarray, labels: np.ndarray) -> float:  # type: ignore[type-arg]
    logits = network.forward(inputs)[-1].astype(np.float64)
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return float(-np.log(chances[np.arange(len(labels)), labels]).mean())


def test_gradients_are_the_slope_of_the_loss() -> None:
    network, random = Network((6, 5, 3), seed=1), np.random.default_rng(2)
    inputs, labels = random.standard_normal((7, 6)).astype(np.float32), random.integers(0, 3, 7)
    gradients = np.zeros(network.count, np.float32)
    share = network.backward(network.forward(inputs), labels, 7, gradients)
    assert share == pytest.approx(loss(network, inputs, labels), rel=1e-5)
    for index in range(network.count):
        kept, step = network.parameters[index], 1e-2
        network.parameters[index] = kept + step
        above = loss(network, inputs, labels)
        network.parameters[index] = kept - step
        slope = (above - loss(network, inputs, labels)) / (2 * step)
        network.parameters[index] = kept
        assert gradients[index] == pytest.approx(slope, abs=2e-3)


def test_shares_of_a_batch_add_up() -> None:
    network, random = Network((6, 5, 3)), np.random.default_rng(3)
    inputs, labels = random.standard_normal((8, 6)).astype(np.float32), random.integers(0, 3, 8)
    whole, part, total = (np.zeros(network.count, np.float32) for _ in range(3))
    share = network.backward(network.forward(inputs), labels, 8, whole)
    for rank in range(3):
        mine = slice(rank, None, 3)
        share -= network.backward(network.forward(inputs[mine]), labels[mine], 8, part)
        total += part
    np.testing.assert_allclose(total, whole, atol=1e-6)
    assert share == pytest.approx(0, abs=1e-6)


def test_momentum() -> None:
    network = Network((2, 2))
    network.parameters[:] = 1
    slope = np.full(network.count, 2, np.float32)
    network.update(slope, 0.1, 0.5)
    network.update(slope, 0.1, 0.5)
    np.testing.assert_allclose(network.parameters, 1 - 0.2 - (0.1 + 0.2))


def test_work() -> None:
    network = Network((64, 128, 10))
    work = network.work_of_gradients(32)
    # Forward 2 x samples x weights; backward once more for each layer's weights, and for the second layer's input.
    assert work.flops == 2 * 32 * (64 * 128 * 2 + 128 * 10 * 3)
    assert network.work_of_update().bytes == 5 * 4 * network.count
