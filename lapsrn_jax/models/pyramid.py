"""MS-LapSRN (Lai et al., TPAMI 2018) and CMS-LapSRN: one recursive block for every recursion, level and scale."""

import functools
from typing import Any, ClassVar, Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from lapsrn_jax.models import amx, layers, subpixel
from lapsrn_jax.models.contract import SuperResolver
from lapsrn_jax.models.layers import (
    Filter,
    bilinear_init,
    block_init,
    conv,
    filter_init,
    he_stddev,
    leaky_relu,
    through_block,
)
from lapsrn_jax.models.tying import Tying
from lapsrn_jax.models.window import Window, margins

Skip = Literal["source", "block", "none"]


@functools.partial(jax.jit, static_argnames=("recursions", "skip", "remat", "direct", "on_amx"))
def recurse(
    source: jax.Array,
    block: dict[str, Filter],
    window: Window,
    recursions: int,
    skip: Skip,
    remat: bool,
    direct: bool,
    on_amx: bool,
) -> jax.Array:
    """Returns the features [N, H, W, C] of one level after all its recursions.

    The recursions of a batch are unrolled: XLA:CPU runs convolutions inside a loop slowly, and their gradients more
    slowly still. A single image goes through a loop, which compiles faster; its size may never occur again.
    """
    if on_amx and window.inside is None:
        kernels = jnp.stack([block[f"conv_{i}"]["kernel"] for i in range(1, len(block) + 1)])
        return amx.recurse(source, kernels, recursions)
    conv = layers.conv_direct if direct else layers.conv

    def layer(h: jax.Array, parts: Filter) -> jax.Array:
        return conv(leaky_relu(window.keep(h)), **parts)

    def recursion(features: jax.Array) -> jax.Array:
        h = through_block(layer, features, block)
        return h if skip == "none" else h + (source if skip == "source" else features)

    if remat:
        recursion = jax.checkpoint(recursion)
    if source.shape[0] == 1:
        return lax.fori_loop(0, recursions, lambda _, features: recursion(features), source)
    features = source
    for _ in range(recursions):
        features = recursion(features)
    return features


class Pyramid(nn.Module, SuperResolver):
    """The recursive Laplacian pyramid. `tying=None` is MS-LapSRN, a `Tying` makes it CMS-LapSRN.

    The parameters serve any number of recursions and levels: both belong to the computation, not to the tree

        conv_in         3x3, 1 -> C
        block           conv_1 ... conv_d, 3x3, C -> C
        residual        3x3, C -> 1
        image_upsample  4x4 transposed, 1 -> 1, no bias
        upsample        3x3 transposed, C -> C; absent if its kernel is tied to the block's

    Attributes:
      features: C, the channels of the feature maps.
      depth: d, the convolutions of the block.
      recursions: r, the number of times a level applies the block.
      skip: the features added after each recursion: the level's input ("source"), the block's ("block"), or "none".
      use_bias: False matches the paper's parameter counts, True the authors' released weights.
      tying: where the upsampler's kernel comes from.
      dtype: dtype of the features, such as "bfloat16"; None for that of the images. Parameters and images keep theirs.
      remat: whether the backward pass recomputes each recursion's features instead of keeping them: a quarter of the
        memory for a third more work (docs/memory.md).
      direct: whether to compute each layer as it is defined, with `lax.conv_general_dilated` and `lax.conv_transpose`.
        The images are the same to rounding; False is faster, but has no forward-mode derivatives on CPUs.
      on_amx: whether to compute the recursions with `models.amx`; see `accelerated`.
    """

    channels: ClassVar[int] = 1
    scales: ClassVar[tuple[int, ...]] = (2, 4, 8, 16)  # any power of 2 would work

    features: int = 64
    depth: int = 5
    recursions: int = 8
    skip: Skip = "source"
    use_bias: bool = False
    tying: Tying | None = None
    dtype: str | None = None
    remat: bool = False
    direct: bool = False
    on_amx: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.skip not in get_args(Skip):
            raise ValueError(f"skip must be one of {', '.join(get_args(Skip))}; got {self.skip!r}")
        for name in ("features", "depth", "recursions"):
            layers.check_count(name, getattr(self, name))
        if self.tying and self.tying.layer > self.depth:
            raise ValueError(f"tying.layer is {self.tying.layer}, but the block has {self.depth} convolutions")

    def _declare(self) -> dict[str, Any]:
        """Declares the parameters to Flax and returns their tree, as described above."""
        c, tying = self.features, self.tying
        params: dict[str, Any] = {
            "conv_in": self.param("conv_in", filter_init((3, 3, 1, c), 1e-3, self.use_bias)),
            "block": self.param("block", block_init(self.depth, c, self.use_bias)),
            "residual": self.param("residual", filter_init((3, 3, c, 1), he_stddev(c), self.use_bias)),
            "image_upsample": self.param("image_upsample", bilinear_init),
            "upsample": {},
        }
        # Last, so that the tying does not change the initial values of the others.
        free = filter_init((3, 3, c, c), he_stddev(c), self.use_bias)
        if tying is None:
            params["upsample"] = self.param("upsample", free)
        elif tying.owns(self.use_bias):
            params["upsample"] = self.param("upsample", lambda key: tying.start(free(key), params["block"]))
        return params

    def margins(self, scale: int) -> list[tuple[int, int]]:
        """The margins that a part of a picture needs on each level: see `window.margins`."""
        return margins(scale, self.recursions * self.depth)

    def auxiliary_loss(self, params: Any) -> jax.Array | float:
        """The penalty of a "soft" tying, else 0."""
        if self.tying is None or self.tying.strength != "soft":
            return 0.0
        return self.tying.penalty * self.tying.distance(params["block"], params["upsample"])

    @nn.compact
    def __call__(self, image: jax.Array, scale: int, window: Window = Window()) -> list[jax.Array]:  # noqa: B008
        """Enlarges luminance images.

        Args:
          image: [N, H, W, 1] in [0, 1].
          scale: one of `scales`.
          window: where `image` lies, if it is a part of a larger picture. Then only the last result is exact.

        Returns:
          The images of all levels, [N, 2H, 2W, 1] to [N, scale H, scale W, 1], not clipped. The upsampler's inputs
          on all levels, [N, H, W, C] and so on, are sown as "upsampler_inputs" in the collection "intermediates".

        Raises:
          UserError: `scale` is none of `self.scales`.
        """
        layers.check_scale(scale, self.scales)
        params = self._declare()
        block, upsample = params["block"], params["upsample"]
        if self.tying is not None:
            block, upsample = self.tying.share(block, upsample)

        features = conv(layers.cast(image, self.dtype), **params["conv_in"])
        images = []
        for before, after in self.margins(scale):
            window, (image, features) = window.narrow(before, image, features)
            features = recurse(
                features, block, window, self.recursions, self.skip, self.remat, self.direct, self.on_amx
            )
            window, (image, features) = window.narrow(after, image, features)
            activated = leaky_relu(features)
            self.sow("intermediates", "upsampler_inputs", activated)
            image, features = self._doubled(image, activated, upsample, params, window)
            window = window.doubled()
            images.append(image)
        return [*images[:-1], *window.narrow(0, images[-1])[1]]

    def _doubled(
        self, image: jax.Array, activated: jax.Array, upsample: Filter, params: dict[str, Any], window: Window
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the image and the features of the next level, both twice the size."""
        larger, residual = params["image_upsample"], params["residual"]
        if self.direct:
            features = window.doubled().keep(layers.conv_transpose(activated, **upsample))
            return layers.conv_transpose(image, **larger) + layers.conv_direct(features, **residual), features
        image = subpixel.upsample_image(image, **larger) + subpixel.residual(activated, upsample, residual, window)
        # Nothing reads the features after the last level: the compiler removes them.
        return image, window.doubled().keep(layers.upsample(activated, **upsample))


def accelerated(model: SuperResolver) -> SuperResolver:
    """Returns the network for training steps: a `Pyramid` in bfloat16 uses AMX where `amx.is_available`.

    AMX computes blocks of 64 channels without biases, with the skip "source". Other networks are returned as they are,
    and also those with `remat` or `direct`.
    """
    if not isinstance(model, Pyramid) or model.use_bias or model.remat or model.direct:
        return model
    fits = model.dtype == "bfloat16" and model.features == amx.CHANNELS and model.skip == "source"
    return model.clone(on_amx=True) if fits and amx.is_available() else model
