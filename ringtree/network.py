"""A small network in NumPy: layers with ReLU, softmax at the end, momentum; and what a step of it costs a chip.

Parameters and gradients are one flat vector each, so that a step needs one all-reduce.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = Any
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Work:
    """What a chip does: operations, and bytes to and from its memory."""

    flops: float
    bytes: float


class Network:
    """Weights of shape (inputs, outputs) and biases of each layer, as views of `parameters`."""

    def __init__(self, sizes: tuple[int, ...], seed: int = 0) -> None:
        self.sizes = sizes
        self.shapes = list(pairwise(sizes))
        self.count = sum(m * n + n for m, n in self.shapes)
        self.parameters = np.zeros(self.count, np.float32)
        self.velocity = np.zeros(self.count, np.float32)
        random = np.random.default_rng(seed)
        for weights, _ in self.views(self.parameters):
            weights[:] = random.standard_normal(weights.shape) * np.sqrt(2 / weights.shape[0])

    def views(self, flat: Array) -> list[tuple[Array, Array]]:
        """(weights, biases) of each layer in a flat vector."""
        found, at = [], 0
        for m, n in self.shapes:
            found.append((flat[at : at + m * n].reshape(m, n), flat[at + m * n : at + m * n + n]))
            at += m * n + n
        return found

    def forward(self, inputs: Array) -> list[Array]:
        """The input of every layer, then the logits."""
        values = [inputs]
        for number, (weights, biases) in enumerate(self.views(self.parameters)):
            value = values[-1] @ weights + biases
            values.append(np.maximum(value, 0) if number < len(self.shapes) - 1 else value)
        return values

    def backward(self, values: list[Array], labels: Array, samples: int, gradients: Array) -> float:
        """Fill `gradients` with this rank's share of the mean loss over `samples`; returns that share of the loss."""
        rows = np.arange(len(labels))
        shifted = values[-1] - values[-1].max(axis=1, keepdims=True)
        likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        delta = np.exp(likelihood)
        delta[rows, labels] -= 1
        delta /= samples
        layers = list(zip(self.views(self.parameters), self.views(gradients), values, strict=False))
        for number, ((weights, _), (to_weights, to_biases), inputs) in reversed(list(enumerate(layers))):
            to_weights[:] = inputs.T @ delta
            to_biases[:] = delta.sum(axis=0)
            if number:
                delta = (delta @ weights.T) * (inputs > 0)
        return float(-likelihood[rows, labels].sum() / samples)

    def update(self, gradients: Array, rate: float, momentum: float) -> None:
        """One step of gradient descent."""
        self.velocity *= momentum
        self.velocity -= rate * gradients
        self.parameters += self.velocity

    def accuracy(self, inputs: Array, labels: Array) -> float:
        """Share of right answers."""
        return float((self.forward(inputs)[-1].argmax(axis=1) == labels).mean())

    def work_of_gradients(self, samples: int) -> Work:
        """Forward and backward over so many samples: a product forward, two back (one for the first layer)."""
        products = [2.0 * samples * m * n for m, n in self.shapes]
        activations = samples * sum(self.sizes)
        # Weights are read twice and their gradients written once; activations written, then read once.
        return Work(3 * sum(products) - products[0], FLOAT_BYTES * (3.0 * self.count + 2.0 * activations))

    def work_of_update(self) -> Work:
        """Momentum: four operations a parameter; gradient, velocity and parameter read, the last two written."""
        return Work(4.0 * self.count, FLOAT_BYTES * 5.0 * self.count)
