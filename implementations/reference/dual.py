"""Compute derivatives by dual numbers in NumPy float64.

A dual number has a value and its derivatives with respect to m variables. Arithmetic and the functions below take plain
arrays and dual numbers alike.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Number = Any
"""An array [..., N], or a Dual with such a value."""


class Dual:
    """Hold a value [..., N] and its derivatives [m, ..., N] with respect to m variables of the same neuron."""

    __array_ufunc__ = None  # so that array * dual calls Dual.__rmul__

    def __init__(self, value: Array, by: Array) -> None:
        self.value, self.by = value, by

    def __add__(self, other: Number) -> "Dual":
        value, by = parts(other)
        return Dual(self.value + value, self.by + by)

    def __mul__(self, other: Number) -> "Dual":
        value, by = parts(other)
        return Dual(self.value * value, self.by * value + self.value * by)

    def __truediv__(self, other: Number) -> "Dual":
        value, by = parts(other)
        return Dual(self.value / value, (self.by - self.value / value * by) / value)

    def __neg__(self) -> "Dual":
        return self * -1.0

    def __sub__(self, other: Number) -> "Dual":
        return self + -other

    def __rsub__(self, other: Number) -> "Dual":
        return -self + other

    def __rtruediv__(self, other: Number) -> "Dual":
        return Dual(np.broadcast_to(other, self.value.shape), np.zeros_like(self.by)) / self

    __radd__, __rmul__ = __add__, __mul__


def parts(x: Number) -> tuple[Any, Any]:
    """Split a number into its value and its derivatives, which are 0 for a plain array."""
    return (x.value, x.by) if isinstance(x, Dual) else (x, 0.0)


def apply(function: Callable[[Any], Any], slope: Callable[[Any], Any], x: Number) -> Number:
    """Apply a function of one variable whose derivative is `slope`."""
    return Dual(function(x.value), slope(x.value) * x.by) if isinstance(x, Dual) else function(x)


def stop(x: Number) -> Array:
    """Return the value of a number without its derivatives."""
    return parts(x)[0]


def exp(x: Number) -> Number:
    """Return e to the power of x."""
    return apply(np.exp, np.exp, x)


def tanh(x: Number) -> Number:
    """Return the hyperbolic tangent."""
    return apply(np.tanh, lambda v: 1 - np.tanh(v) ** 2, x)


def sigmoid(x: Number) -> Number:
    """Return the logistic function 1 / (1 + exp(-x))."""
    return (1 + tanh(x / 2)) / 2


def absolute(x: Number) -> Number:
    """Return |x|, with derivative 0 at 0."""
    return apply(np.abs, np.sign, x)


def root(x: Number) -> Number:
    """Return the square root."""
    return apply(np.sqrt, lambda v: 0.5 / np.sqrt(v), x)


def variables(*groups: list[Array]) -> list[list[Dual]]:
    """Turn arrays into independent variables: dual numbers, each with derivative 1 with respect to itself."""
    m, duals, number = sum(len(group) for group in groups), [], 0
    for group in groups:
        duals.append([])
        for x in group:
            by = np.zeros((m, *x.shape))
            by[number] = 1
            duals[-1].append(Dual(x, by))
            number += 1
    return duals
