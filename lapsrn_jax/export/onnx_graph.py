"""The nodes of an ONNX graph, one method for each layer."""

from typing import Any

import numpy as np
from onnx import helper

from lapsrn_jax.models.layers import Filter


class Graph:
    """Nodes in the order of the computation, and by name the arrays they use. Values are known by their names.

    ONNX keeps a convolution's kernel as [O, I, h, w] and a transposed one's as that of the convolution whose transpose
    it is, [I, O, h, w].
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def conv(self, x: str, name: str, parts: Filter) -> str:
        """`layers.conv` with the filter called `name`."""
        kernel = np.transpose(parts["kernel"], (3, 2, 0, 1))
        size = kernel.shape[2:]
        return self._filtered("Conv", x, name, kernel, parts.get("bias"), pads=[size[0] // 2] * 4)

    def upsample(self, x: str, name: str, parts: Filter) -> str:
        """`layers.upsample` with the filter called `name`."""
        kernel = _transposed(parts)
        pads = [0, 0, 1, 1] if kernel.shape[2] == 3 else [1, 1, 1, 1]  # 3x3: the last row and column are dropped
        return self._filtered("ConvTranspose", x, name, kernel, parts.get("bias"), pads=pads, strides=[2, 2])

    def residual(self, u: str, name: str, upsample: Filter, conv: Filter) -> str:
        """`subpixel.residual`: a transposed convolution with 5x5 taps, corrected in the last row and column.

        The upsampler drops the last row and column of its full result, so the convolution after it sees zeros there.
        The composition of the two knows nothing of that: what it adds is subtracted.
        """
        full, row, column, corner = _composed(upsample, conv)
        last_row, last_column = self._end(u, 2), self._end(u, 3)

        def transposed(x: str, part: str, kernel: np.ndarray, pads: list[int], bias: Any = None) -> str:
            return self._filtered("ConvTranspose", x, part, kernel, bias, pads=pads, strides=[2, 2])

        y = transposed(u, name, full, [1, 1, 2, 2], conv.get("bias"))
        rows = transposed(last_row, f"{name}/row", row, [0, 1, 0, 2])
        columns = transposed(last_column, f"{name}/column", column, [1, 0, 2, 0])
        both = self._filtered("Conv", self._end(last_row, 3), f"{name}/corner", corner, None, pads=[0] * 4)
        columns = self._less_at_end(columns, both, 2)  # the rows have this part already
        y = self._less_at_end(self._less_at_end(y, rows, 2), columns, 3)
        if "bias" not in upsample:
            return y
        ones = self._node("ConstantOfShape", self._node("Shape", y), value=helper.make_tensor("one", 1, [1], [1.0]))
        of_bias = np.einsum("ijdo,d->oij", conv["kernel"], upsample["bias"])[:, None]
        return self.add(y, self._filtered("Conv", ones, f"{name}/of_bias", of_bias, None, pads=[1] * 4))

    def leaky_relu(self, x: str) -> str:
        """`layers.leaky_relu`."""
        return self._node("LeakyRelu", x, alpha=0.2)

    def add(self, x: str, y: str) -> str:
        """The sum of two values of one shape."""
        return self._node("Add", x, y)

    def _end(self, x: str, axis: int) -> str:
        """The last row (axis 2) or column (axis 3)."""
        return self._node("Slice", x, self._integers(-1), self._integers(2**31 - 1), self._integers(axis))

    def _less_at_end(self, x: str, y: str, axis: int) -> str:
        """Subtracts y from the last row or column of x."""
        start = self._node("Slice", x, self._integers(0), self._integers(-1), self._integers(axis))
        return self._node("Concat", start, self._node("Sub", self._end(x, axis), y), axis=axis)

    def _integers(self, *values: int) -> str:
        name = "integers_" + "_".join(map(str, values))
        self.arrays[name] = np.array(values, np.int64)
        return name

    def _filtered(self, kind: str, x: str, name: str, kernel: np.ndarray, bias: Any, **attributes: Any) -> str:
        inputs = [x, self._array(f"{name}/kernel", kernel)]
        if bias is not None:
            inputs.append(self._array(f"{name}/bias", np.asarray(bias)))
        return self._node(kind, *inputs, kernel_shape=kernel.shape[2:], **attributes)

    def _array(self, name: str, array: np.ndarray) -> str:
        """Keeps the array under its name, which it returns."""
        self.arrays[name] = np.ascontiguousarray(array, np.float32)
        return name

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name


def _transposed(parts: Filter) -> np.ndarray:
    """The kernel [h, w, I, O] of a transposed convolution as ONNX's [I, O, h, w]: lax does not turn it, ONNX does."""
    return np.transpose(parts["kernel"], (2, 3, 0, 1))[:, :, ::-1, ::-1]


def _composed(upsample: Filter, conv: Filter) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The kernels of the composition, in float64.

    Returns:
      The whole, [C, 1, 5, 5], and its parts that pass through the dropped row, [C, 1, 1, 5], the dropped column,
      [C, 1, 5, 1], and both, [1, C, 1, 1] for a convolution.
    """
    first = _transposed(upsample).astype(np.float64)  # [C, D, 3, 3]
    second = np.asarray(conv["kernel"][..., 0], np.float64)  # [3, 3, D]
    # Tap j of the first and then tap i of the second lead j - i pixels away: the place of tap j - i + 2 of five.
    lead = np.array([[[j - i + 2 == a for i in range(3)] for j in range(3)] for a in range(5)], np.float64)
    taps = np.einsum("cdjl,ikd->cjilk", first, second)
    full = np.einsum("aji,blk,cjilk->cab", lead, lead, taps)[:, None]
    row = np.einsum("blk,clk->cb", lead, taps[:, 2, 2])[:, None, None]
    column = np.einsum("aji,cji->ca", lead, taps[:, :, :, 2, 2])[:, None, :, None]
    return full, row, column, taps[:, 2, 2, 2, 2].reshape(1, -1, 1, 1)
