"""The interface of the networks: all that the rest of the package may ask of one."""

import dataclasses
from typing import Any, ClassVar, Protocol

import jax


class SuperResolver(Protocol):
    """A network that enlarges images.

    Each network lists this class among its bases, after `flax.linen.Module`, and inherits the defaults.

    `apply({"params": params}, lr, scale)` maps images [N, H, W, channels] in [0, 1] to a list of images, which are not
    clipped. The last one is [N, scale H, scale W, channels]. The pyramids put the images of the lower levels before it.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # Flax makes each module a frozen dataclass

    def __hash__(self) -> int:
        """Flax's: equal networks have equal hashes."""
        return super().__hash__()

    @property
    def channels(self) -> int:
        """1 for luminance, 3 for RGB."""
        ...

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales that `apply` accepts, in ascending order."""
        ...

    @property
    def features(self) -> int:
        """The channels of the feature maps."""
        ...

    def init(self, rngs: Any, *args: Any, **kwargs: Any) -> Any:
        """Flax's."""
        ...

    def apply(self, variables: Any, *args: Any, **kwargs: Any) -> Any:
        """Flax's, as described above."""
        ...

    def clone(self, **updates: Any) -> Any:
        """Flax's: the same network with other attributes."""
        ...

    def margins(self, scale: int) -> list[tuple[int, int]] | None:
        """The pixels that a part of an image needs around it, as `window.margins` returns them.

        None: the network must see the whole image.
        """
        return None

    @property
    def supervision(self) -> float:
        """The share of the training loss that compares intermediate images with the target, in [0, 1].

        The network sows these images as "outputs", [K, N, scale H, scale W, channels], in the collection
        "intermediates". The rest of the loss compares the images that `apply` returns.
        """
        return 0.0

    def auxiliary_loss(self, params: Any) -> jax.Array | float:
        """The term that training adds once to the loss of each batch, a scalar."""
        return 0.0
