"""Winograd's 3x3 convolution as nodes of an ONNX graph, for programs that compute all convolutions directly.

The method is that of lapsrn_jax/models/winograd.py. It takes about half of the time in ONNX Runtime Web, but 1.5 times
the time in ONNX Runtime on a CPU with AVX-512 (docs/speed.md).
"""

import numpy as np

from lapsrn_jax.export.onnx_graph import Graph
from lapsrn_jax.models.layers import Filter
from lapsrn_jax.models.winograd import INPUT, KERNEL, OUTPUT, STEP


class WinogradGraph(Graph):
    """A graph whose convolutions between features are Winograd's. Kernels are stored as usual.

    In the comments below, I and O are the numbers of input and output features, and T x S is the number of tiles.
    """

    def __init__(self) -> None:
        super().__init__()
        self._transformed: dict[str, str] = {}  # kernels by the names of their filters

    def conv(self, x: str, name: str, parts: Filter) -> str:
        """`layers.conv` with the filter called `name`."""
        kernel = np.asarray(parts["kernel"])
        inputs, outputs = kernel.shape[2:]
        if 1 in (inputs, outputs):
            return super().conv(x, name, parts)
        tiles = self._tiles(x, inputs)  # [N, 36 I, T, S]
        grid = self._node("Shape", tiles, start=2)
        tiles = self._node("Transpose", self._shaped(tiles, 0, inputs, 36, -1), perm=[0, 2, 1, 3])
        products = self._node("MatMul", self._points(name, kernel), tiles)  # [N, 36, O, TS]
        y = self._shaped(self._node("Transpose", products, perm=[0, 2, 1, 3]), 0, 6 * outputs, 6, -1)
        output = self._array("winograd/output", OUTPUT)
        y = self._node("MatMul", output, y)  # [N, 6 O, 4, TS]
        y = self._node("MatMul", output, self._shaped(y, 0, outputs, 6, -1))  # [N, O, 4, 4 TS]
        places = self._node("Concat", self._integers(0, STEP**2 * outputs), grid, axis=0)
        y = self._node("DepthToSpace", self._node("Reshape", y, places), blocksize=STEP, mode="CRD")
        size = self._node("Shape", x, start=2)
        y = self._node("Slice", y, self._integers(0, 0), size, self._integers(2, 3))  # the tiles may extend beyond it
        if "bias" not in parts:
            return y
        return self.add(y, self._array(f"{name}/bias", np.asarray(parts["bias"])[:, None, None]))

    def _tiles(self, x: str, features: int) -> str:
        """Transforms the tiles of 6x6 inputs, which are 4 apart, down and then across."""
        rows = self._array(f"winograd/{features}/rows", np.tile(INPUT[:, None, :, None], (features, 1, 1, 1)))
        columns = self._array(f"winograd/{features}/columns", np.tile(INPUT[:, None, None, :], (6 * features, 1, 1, 1)))
        x = self._node("Conv", x, rows, kernel_shape=[6, 1], strides=[STEP, 1], pads=[1, 1, STEP, STEP], group=features)
        return self._node("Conv", x, columns, kernel_shape=[1, 6], strides=[1, STEP], group=6 * features)

    def _points(self, name: str, kernel: np.ndarray) -> str:
        """Transforms a kernel to [36, O, I]. Programs do this once, when they load the graph."""
        if name not in self._transformed:
            taps = self._array(f"{name}/kernel", np.transpose(kernel, (3, 2, 0, 1)))
            both = self._array("winograd/kernel", np.kron(KERNEL, KERNEL).T)
            points = self._node("MatMul", self._shaped(taps, -1, 9), both)
            points = self._node("Transpose", points, perm=[1, 0])
            self._transformed[name] = self._shaped(points, 36, *kernel.shape[:1:-1])
        return self._transformed[name]

    def _shaped(self, x: str, *shape: int) -> str:
        return self._node("Reshape", x, self._integers(*shape))
