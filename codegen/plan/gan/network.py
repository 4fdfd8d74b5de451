"""Two networks that train each other as the Plan has them."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.network.compose import Statement, Value
from codegen.plan.network.modules import Held
from codegen.plan.network.network import BlockClass, LayerRow
from codegen.plan.network.unet_class import UNetClass
from codegen.plan.tables import ConfigField, ImportPlan, Parameter


@frozen
class PlayerPlan:
    """One of the two: its class, and the attributes of the model that are one.

    `end` is the template of what it takes and returns.
    """

    class_name: str
    attributes: tuple[str, ...]  # two of one class where pictures go there and back
    held: tuple[Held, ...]
    statements: tuple[Statement, ...]
    result: Value
    rows: tuple[LayerRow, ...]
    end: str


@frozen
class LossPlan:
    """What both minimise.

    `penalised`: the loss has gradients of the discriminator in it, between real and made images or
    at real ones.
    """

    kind: str
    smoothed: bool
    r1: bool
    l1: bool = False  # whether pixels of a pair are compared
    cycle: bool = False  # whether each picture comes back again
    identity: bool = False  # whether what is as it should be stays
    pool: bool = False  # whether images that were made before are judged again

    @property
    def penalised(self) -> bool:
        """Whether gradients are part of it."""
        return self.kind == "wgan-gp" or self.r1


@frozen
class GanNetwork:
    """A generator and a discriminator under one model, with one config."""

    class_name: str
    fields: tuple[ConfigField, ...]
    classes: tuple[BlockClass, ...]  # of the blocks of both
    unet: UNetClass | None
    definitions: tuple[str, ...]
    generator: PlayerPlan
    discriminator: PlayerPlan
    parameters: tuple[Parameter, ...]
    sums: tuple[str, ...]  # classes whose weights start as normal numbers
    resets: tuple[str, ...]  # classes that reset themselves
    loss: LossPlan
    several_steps: bool  # whether the discriminator moves more often than the generator
    labels: int  # classes, one of which is asked for; 0: none is
    drops: bool
    of_batches: bool
    words: tuple[str, ...]
    multiple: int = 1  # what the generator divides the sides of a picture by, at most
    smallest: int = 1  # the least side of a picture
    imports: tuple[ImportPlan, ...] = ()
    inputs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # none of which there are

    @property
    def conditional(self) -> bool:
        """Whether a class is asked for."""
        return self.labels > 0

    @property
    def returns(self) -> bool:
        """Whether pictures go there and back: they are no pairs."""
        return self.loss.cycle

    @property
    def pools(self) -> bool:
        """Whether images that were made before are judged again."""
        return self.loss.pool

    @property
    def identity(self) -> bool:
        """Whether it counts how far what is as it should be is changed."""
        return self.loss.identity

    @property
    def beatable(self) -> bool:
        """Whether a discriminator that tells all images apart teaches nothing."""
        return self.loss.kind in ("non-saturating", "bce") and not self.loss.r1

    @property
    def players(self) -> tuple[PlayerPlan, PlayerPlan]:
        """Both, in the order in which model.py has them."""
        return self.generator, self.discriminator
