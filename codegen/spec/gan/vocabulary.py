"""The vocabulary of two networks that train each other."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, model_validator

from codegen.spec.fields import Count, kind_only
from codegen.spec.gan.loss import AdversarialLoss
from codegen.spec.head import Positive, PositiveFloat, SpecHead, Train, Vocabulary, Width
from codegen.spec.network.blocks import BlockDefinition
from codegen.spec.network.conv import ConvFields
from codegen.spec.network.fields import BlockName, LayerName, NormFields, NormKind, kind_if
from codegen.spec.network.layers import BLOCKS
from codegen.spec.network.linear import LinearFields
from codegen.spec.network.nested import Row
from codegen.spec.network.vocabulary import PlainImage, size_only
from codegen.spec.optimizers import SGD, Adam, Betas
from codegen.spec.owned import Only, Repeats
from codegen.spec.schedules import AnySchedule, Schedule

OF_NOISE, OF_PICTURES = Only("image-generation"), Only("image-translation")
Norm = Annotated[NormFields | None, kind_if(get_args(NormKind))]


class Player(Vocabulary):
    """One of the two networks: layers in a row, and what they say that is not said."""

    conv: ConvFields | None = Field(None, description="of every `conv` of it, over the model's")
    linear: LinearFields | None = Field(None, description="the same of every `linear`")
    norm: Norm = Field(None, description="the same of every norm: a kind, or its fields")
    layers: Row = Field(description="in order, as those of `family: network`")


class PlayerStart(Vocabulary):
    """How weights start."""

    std: PositiveFloat = Field(
        0.02, description="standard deviation of weights (arXiv:1511.06434, section 4)"
    )


def _layers_only(said: Any) -> Any:
    return {"layers": said} if isinstance(said, list) else said


def _as_block(said: Any) -> Any:
    """A list of layers, or a mapping of them and of what else is said by name."""
    if isinstance(said, list):
        return {"layers": said}
    if isinstance(said, dict) and "layers" in said:
        given = {name: value for name, value in said.items() if name != "layers"}
        return {"layers": said["layers"], "given": given}
    raise ValueError("a block is a list of layers, or a mapping with `layers`")


AnyPlayer = Annotated[Player, BeforeValidator(_layers_only)]


class GanModel(Vocabulary):
    """The architecture: a generator and a discriminator, which share blocks and defaults."""

    image: Annotated[PlainImage, BeforeValidator(size_only)] = Field(
        PlainImage(size=64),
        description="what is made, or what a picture is made of; its size for short",
    )
    outputs: Annotated[Positive | None, OF_PICTURES] = Field(
        None, description="channels of what is made; by default those of the image"
    )
    latent: Annotated[Width, OF_NOISE] = Field(
        100, description="normal numbers that an image is made of"
    )
    classes: Annotated[Positive | None, OF_NOISE] = Field(
        None, description="of images, one of which is asked for (arXiv:1411.1784); by default none"
    )
    label_dim: Annotated[Width, OF_NOISE] = Field(
        50, description="width of a class's vector, which is joined to the noise"
    )
    init: PlayerStart = Field(PlayerStart.plain(), description="how weights start")
    numbers: dict[LayerName, Annotated[float, Field(ge=0)] | Positive] = Field(
        {}, description="the model's own, which layers and blocks may use by name"
    )
    conv: ConvFields | None = Field(None, description="what every `conv` says that is not said")
    linear: LinearFields | None = Field(None, description="the same of every `linear`")
    norm: Norm = Field(None, description="the same of every norm: a kind, or its fields")
    blocks: dict[BlockName, Annotated[BlockDefinition, BeforeValidator(_as_block)]] = Field(
        {}, description="lists of layers by name; with defaults, mappings that have `layers`"
    )
    generator: AnyPlayer = Field(
        description="makes images, of numbers from -1 to 1: its layers, or a mapping of `layers` "
        "and what is said of each kind"
    )
    discriminator: Annotated[AnyPlayer, Repeats()] = Field(
        description="says of an image, or of each patch of it, whether it is real: one number, or "
        "a map of one channel"
    )

    @model_validator(mode="wrap")
    @classmethod
    def _with_its_blocks(cls, said: Any, read: ModelWrapValidatorHandler[GanModel]) -> GanModel:
        """Read while layers know the names of the model's blocks."""
        blocks = said.get("blocks") if isinstance(said, dict) else None
        token = BLOCKS.set(tuple(blocks) if isinstance(blocks, dict) else ())
        try:
            return read(said)
        finally:
            BLOCKS.reset(token)


class PlayersAdam(Adam):
    """Adam (arXiv:1412.6980) with the numbers of DCGAN (arXiv:1511.06434, section 4)."""

    lr: PositiveFloat = Field(2e-4, description="peak learning rate")
    betas: Betas = Field([0.5, 0.999], description="decay of the first and second moment")


def _adam_unless_said(said: Any) -> Any:
    said = kind_only(said)
    return {"kind": "adam", **said} if isinstance(said, dict) else said


class GanTrain(Train):
    """What training two networks adds, and its own defaults."""

    optimizer: Annotated[
        Annotated[PlayersAdam | SGD, Field(discriminator="kind")],
        BeforeValidator(_adam_unless_said),
    ] = Field(PlayersAdam.plain(), description="update rule, of either network for itself")
    schedule: AnySchedule = Field(
        Schedule(kind="constant", warmup=0), description="learning rate over the run"
    )
    loss: Annotated[AdversarialLoss, BeforeValidator(kind_only)] = Field(  # type: ignore[assignment]
        AdversarialLoss.plain(), description="what both minimise; its kind for short"
    )
    critic_steps: Positive = Field(
        1, description="updates of the discriminator before each of the generator"
    )
    discriminator_lr: PositiveFloat | None = Field(
        None, description="peak rate of the discriminator (arXiv:1706.08500); by default the same"
    )
    pool: Annotated[Count, OF_PICTURES] = Field(
        50,
        description="with `loss.cycle`: made pictures that are kept, and shown to discriminators "
        "as often as new ones (arXiv:1612.07828, section 2.3); 0 for none",
    )
    batch: Positive = Field(64, description="images an update, on each device")
    clip: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="gradient norm limit of either; 0 for none"
    )


class GanSpec(SpecHead):
    """Two networks that train each other."""

    family: Literal["gan"] = Field("gan", description="the kind of model")
    train: GanTrain = Field(GanTrain.plain(), description="defaults of the training script")
    model: GanModel = Field(description="the architecture")
