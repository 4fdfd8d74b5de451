"""What an image classifier has in the place of tokens, with its numbers."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.reads import Read, Total
from codegen.spec.transformer.image import Image
from codegen.spec.transformer.vocabulary import TransformerModel

TINY_SIZE, TINY_PATCH, TINY_CLASSES, TINY_REGISTERS, TINY_VIEW = 16, 4, 10, 2, 24


@frozen
class ImagePlan:
    """Patches of square images, the learned tokens before them, and what is read of them all.

    `placed` are the learned tokens that have positions; registers, without, come after them.
    `pooling` and `pooling_norm` are as the spec says them.
    """

    size: int
    channels: int
    patch_size: int
    classes: int  # 0 for an embedding
    patch_bias: bool
    placed: tuple[str, ...]
    registers: int
    positions: bool
    antialias: bool
    relative_bias: str
    pooling: str
    pooling_norm: str
    projection: int  # width of an embedding that is projected, else 0

    @property
    def of_pictures(self) -> bool:
        """Whether files of pictures have so many channels: grey, colours, or colours and alpha."""
        return self.channels in (1, 3, 4)

    @property
    def patches(self) -> int:
        """Of an image of the planned size."""
        return (self.size // self.patch_size) ** 2

    @property
    def first(self) -> int:
        """How many tokens stand before the patches."""
        return len(self.placed) + self.registers

    @property
    def first_read(self) -> Total:
        """The same as the model works it out."""
        placed = [len(self.placed)] if self.placed else []
        return Total((*placed, *([Read("register_tokens")] if self.registers else [])))

    @property
    def tokens(self) -> int:
        """All that attention sees of an image."""
        return self.first + self.patches

    @property
    def pooled(self) -> int:
        """Widths of the residual stream that the head reads."""
        return 2 if self.pooling == "class_mean" else 1


def image_plan(model: TransformerModel, image: Image, task: str) -> ImagePlan:
    """The plan of what a spec says of images."""
    named = {"class_token": image.class_token, "distillation_token": image.distillation_token}
    return ImagePlan(
        size=image.size,
        channels=image.channels,
        patch_size=image.patch_size,
        classes=model.classes if task == "image-classification" else 0,
        patch_bias=image.patch_bias,
        placed=tuple(name for name, present in named.items() if present),
        registers=image.register_tokens,
        positions=model.embedding.positions == "learned",
        antialias=image.interpolation == "bicubic_antialias",
        relative_bias=image.relative_bias,
        pooling=image.pooling or ("class" if image.class_token else "mean"),
        pooling_norm=image.pooling_norm,
        projection=image.projection or 0,
    )
