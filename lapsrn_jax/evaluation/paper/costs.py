"""Counts the parameters, multiply-adds and depth of a network from its JAX trace."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from lapsrn_jax import models
from lapsrn_jax.models import SuperResolver

OUTPUT = (1280, 720)  # width and height of the image for which papers count multiply-adds


class Cost(NamedTuple):
    """The cost of one call.

    Attributes:
      parameters: number of parameters.
      multiply_adds: multiply-adds of the convolutions. Products with the zeros between a transposed convolution's
        inputs do not count, nor does the bicubic interpolation before a network.
      depth: number of convolutions on the longest path from input to output.
    """

    parameters: int
    multiply_adds: int
    depth: int


def parameter_count(model: SuperResolver) -> int:
    """Returns the number of trainable parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(models.shapes(model)))


def cost(model: SuperResolver, scale: int) -> Cost:
    """Returns the cost of producing one image of size `OUTPUT` at one of the model's scales."""
    params = models.shapes(model)
    if isinstance(model, models.Pyramid):
        model = model.clone(direct=True)  # the form that papers count
    # All convolutions keep or double the size, so the cost per pixel does not depend on the size.
    lr = jax.ShapeDtypeStruct((1, 1, 1, model.channels), jnp.float32)
    traced = jax.make_jaxpr(lambda params, lr: model.apply({"params": params}, lr, scale)[-1])(params, lr)
    multiply_adds, (depth,) = _walk(traced.jaxpr, [0] * len(traced.jaxpr.invars))
    return Cost(parameter_count(model), multiply_adds * math.prod(OUTPUT) // scale**2, depth)


def _walk(jaxpr: Any, depths: Sequence[int]) -> tuple[int, list[int]]:
    """Returns multiply-adds and the depth of each output, given the depth of each input."""
    known = dict(zip(jaxpr.invars, depths, strict=True))

    def depth(variable: Any) -> int:
        return 0 if isinstance(variable, core.Literal) else known.get(variable, 0)

    total = 0
    for equation in jaxpr.eqns:
        inputs = [depth(variable) for variable in equation.invars]
        multiply_adds, outputs = _equation(equation, inputs)
        total += multiply_adds
        known |= dict(zip(equation.outvars, outputs, strict=True))
    return total, [depth(variable) for variable in jaxpr.outvars]


def _equation(equation: Any, inputs: list[int]) -> tuple[int, list[int]]:
    name, params = equation.primitive.name, equation.params
    if name == "conv_general_dilated":
        return _convolution(equation), [max(inputs) + 1]
    if name == "scan":
        return _scan(equation, inputs)
    if name == "cond":  # one branch per platform, which compute the same function
        branches = [_walk(branch.jaxpr, inputs[1:]) for branch in params["branches"]]
        deepest = [max(outputs) for outputs in zip(*(outputs for _, outputs in branches), strict=True)]
        return max(total for total, _ in branches), deepest
    for value in params.values():
        if isinstance(value, core.ClosedJaxpr | core.Jaxpr):  # jit, checkpoint, custom derivatives
            return _walk(getattr(value, "jaxpr", value), inputs)
    return 0, [max(inputs, default=0)] * len(equation.outvars)


def _scan(equation: Any, inputs: list[int]) -> tuple[int, list[int]]:
    body = equation.params["jaxpr"].jaxpr
    # Inputs are constants, carry and stacked arrays; outputs are carry and stacked arrays. JAX versions differ in how
    # they mark them, but stacked arrays always have one axis more outside the body.
    carried = sum(a.aval.ndim == b.aval.ndim for a, b in zip(equation.outvars, body.outvars, strict=True))
    unstacked = sum(a.aval.ndim == b.aval.ndim for a, b in zip(equation.invars, body.invars, strict=True))
    constants, carry, stacked = inputs[: unstacked - carried], inputs[unstacked - carried : unstacked], [0]
    total = 0
    for _ in range(equation.params["length"]):
        each, outputs = _walk(body, constants + carry + inputs[unstacked:])
        total += each
        carry, stacked = outputs[:carried], outputs[carried:]  # the last ones are the deepest
    return total, carry + stacked


def _convolution(equation: Any) -> int:
    kernel, output = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
    outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    zeros = math.prod(equation.params["lhs_dilation"])  # of this many inputs all but one are inserted zeros
    return math.prod(output) * math.prod(kernel) // outputs // zeros
