"""A small network of dlib's kind, written in dlib's format by a writer of our own."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]


def integer(value: int) -> bytes:
    length = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(length, "little")


def real(value: float) -> bytes:
    mantissa, exponent = math.frexp(value)
    return integer(int(mantissa * 2**24)) + integer(exponent - 24)


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def tensor(values: FloatArray) -> bytes:
    shape = (*values.shape, 1, 1, 1)[:4] if values.size else (0, 0, 0, 0)
    return b"".join(map(integer, (2, *shape))) + values.astype("<f4").tobytes()


def alias(*shape: int) -> bytes:
    return b"".join(map(integer, (1, *shape)))


@dataclass
class SmallNetwork:
    """Writes layers, and computes what they give, loop by loop.

    One residual of two convolutions, and one that halves the map and doubles the channels.
    """

    size_px: int = 25
    mean_rgb: tuple[float, float, float] = (122.5, 117.0, 104.25)
    versions: list[int] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    weights: list[FloatArray] = field(default_factory=list)
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def __post_init__(self) -> None:
        self.convolve(3, 4, size=5, stride=2, padding=0)
        self.plain("relu_")
        self.pool("max_pool_2", size=3, stride=2)
        self.mark()
        self.branch(4, 4, stride=1)
        self.plain("add_prev_")
        self.plain("relu_")
        self.mark()
        self.branch(4, 8, stride=2)
        self.mark()
        self.mark()
        self.pool("avg_pool_2", size=2, stride=2)
        self.plain("add_prev_")
        self.plain("relu_")
        self.pool("avg_pool_2", size=0, stride=1)
        matrix = self.random(8, 128)
        details = [text("fc_2"), integer(128), integer(8), tensor(matrix), alias(8, 128, 1, 1)]
        self.computes([*details, alias(0, 0, 0, 0), integer(1), *[real(1.0)] * 4])

    def random(self, *shape: int) -> FloatArray:
        self.weights.append(self.generator.normal(0, 0.3, shape).astype(np.float32))
        return self.weights[-1]

    def branch(self, inputs: int, outputs: int, *, stride: int) -> None:
        self.convolve(inputs, outputs, size=3, stride=stride, padding=2 - stride)
        self.plain("relu_")
        self.convolve(outputs, outputs, size=3, stride=1, padding=1)

    def computes(self, details: list[bytes]) -> None:
        empty = tensor(np.zeros(0, np.float32))
        self.parts += [*details, b"110", empty * 3]
        if not self.versions:
            self.parts.append(integer(1))
        self.versions.insert(0, 2 if self.versions else 3)

    def plain(self, kind: str) -> None:
        self.computes([text(kind)])

    def mark(self) -> None:
        self.versions.insert(0, 1)

    def pool(self, kind: str, *, size: int, stride: int) -> None:
        self.computes([text(kind), *map(integer, (size, size, stride, stride, 0, 0))])

    def convolve(self, inputs: int, outputs: int, *, size: int, stride: int, padding: int) -> None:
        kernel, bias = self.random(outputs, inputs, size, size), self.random(outputs)
        numbers = (outputs, size, size, stride, stride, padding, padding)
        both = np.concatenate([kernel.ravel(), bias])
        self.computes(
            [
                text("con_4"),
                tensor(both),
                *map(integer, numbers),
                alias(*kernel.shape),
                alias(1, outputs, 1, 1),
                *[real(1.0)] * 4,
            ]
        )
        gamma, beta = self.random(outputs), self.random(outputs)
        shape = alias(1, outputs, 1, 1)
        both = np.concatenate([gamma, beta])
        self.computes([text("affine_"), tensor(both), shape, shape, integer(0)])

    def content(self) -> bytes:
        head = [integer(1), text("loss_metric_2"), real(0.04), real(0.6)]
        head += [integer(version) for version in self.versions]
        head += [text("input_rgb_image_sized"), *map(real, self.mean_rgb)]
        head += [integer(self.size_px), integer(self.size_px)]
        return b"".join([*head, *self.parts])

    def forward(self, pixels: Array) -> Array:
        """(3, size, size) RGB in [0, 255] -> (128,), in float64 and one by one."""
        weights = iter(self.weights)
        x = (pixels - np.array(self.mean_rgb)[:, None, None]) / 256
        x = _max_pool(np.maximum(_convolved(x, weights, 2, 0), 0), 3, 2)
        y = np.maximum(_convolved(x, weights, 1, 1), 0)
        x = np.maximum(_convolved(y, weights, 1, 1) + x, 0)
        y = np.maximum(_convolved(x, weights, 2, 0), 0)
        y = _convolved(y, weights, 1, 1)
        z = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
        z = (z[:, ::2, ::2] + z[:, 1::2, ::2] + z[:, ::2, 1::2] + z[:, 1::2, 1::2]) / 4
        total = np.zeros(np.maximum(y.shape, z.shape))
        for part in (y, z):
            total[tuple(slice(length) for length in part.shape)] += part
        assert y.shape != z.shape
        pooled = np.maximum(total, 0).mean(axis=(1, 2))
        return np.asarray(pooled @ next(weights).astype(np.float64))


def _convolved(x: Array, weights: Iterator[FloatArray], stride: int, padding: int) -> Array:
    kernel, bias, gamma, beta = (next(weights).astype(np.float64) for _ in range(4))
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    size = kernel.shape[2]
    cells = (x.shape[1] - size) // stride + 1
    out = np.zeros((len(kernel), cells, cells))
    for i in range(cells):
        for j in range(cells):
            window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, i, j] = (kernel * window).sum(axis=(1, 2, 3)) + bias
    return np.asarray(out * gamma[:, None, None] + beta[:, None, None])


def _max_pool(x: Array, size: int, stride: int) -> Array:
    cells = (x.shape[1] - size) // stride + 1
    steps = range(0, cells * stride, stride)
    rows = [[x[:, i : i + size, j : j + size].max(axis=(1, 2)) for j in steps] for i in steps]
    return np.array(rows).transpose(2, 0, 1)
