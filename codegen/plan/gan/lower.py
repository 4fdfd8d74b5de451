"""Spec -> two networks of one plan: each lowered as layers are, and what they share joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from codegen.plan.gan.ends import generation_ends
from codegen.plan.gan.network import GanNetwork, LossPlan, PlayerPlan
from codegen.plan.gan.translation_ends import translation_ends
from codegen.plan.network.ends import NetworkEnds
from codegen.plan.network.layer import LayerError
from codegen.plan.network.lowering import lowered
from codegen.plan.network.nearest import nearest_side
from codegen.plan.network.network import BlockClass, LayeredNetwork
from codegen.plan.network.surroundings import Said, with_defaults
from codegen.plan.network.unet_class import UNetClass
from codegen.plan.network.walk import PlacedError
from codegen.plan.tables import ConfigField, Group, Parameter, Start
from codegen.spec.gan.vocabulary import GanModel, GanSpec, Player
from codegen.spec.network.vocabulary import NetworkModel

ENDS = {"image-generation": generation_ends, "image-translation": translation_ends}
ONE, TWO = ("{}",), ("{}.forth", "{}.back")  # attributes of the model, of a player each
BATCH_NORM = "`wgan-gp` is of each image alone, and batch norm sees those beside it"


def lowered_players(spec: GanSpec) -> GanNetwork:
    """Both networks of a spec; PlacedError where something doesn't fit."""
    model, train, ends = spec.model, spec.train, ends_of(spec)
    generator = _player(model, "generator", ends[0])
    discriminator = _player(model, "discriminator", ends[1])
    if train.loss.kind == "wgan-gp" and discriminator.of_batches:
        hint = "`layer`, `instance` or no norm (arXiv:1704.00028, section 4)"
        raise PlacedError(("model", "discriminator"), LayerError(BATCH_NORM, hint))
    both = (generator, discriminator)
    std = float(model.init.std)
    cycle = train.loss.cycle > 0
    players = tuple(
        _plan(one, name, tuple(own.format(name.lower()) for own in (TWO if cycle else ONE)))
        for name, one in zip(("Generator", "Discriminator"), both, strict=True)
    )
    return GanNetwork(
        class_name="Model",
        fields=(*_joined_fields(both), ConfigField("init_std", "float", std, std)),
        classes=tuple(_joined_classes(both)),
        unet=_only_unet(both),
        definitions=tuple(dict.fromkeys(d for one in both for d in one.definitions)),
        generator=players[0],
        discriminator=players[1],
        parameters=tuple(_parameters(model, players, both, std)),
        sums=_united(one.filling.sums for one in both),
        resets=_united(one.filling.resets for one in both),
        loss=_loss(spec),
        several_steps=train.critic_steps > 1,
        labels=model.classes or 0,
        drops=any(one.drops for one in both),
        of_batches=any(one.of_batches for one in both),
        words=tuple(dict.fromkeys(word for one in both for word in one.words)),
        multiple=generator.multiple,
        smallest=generator.smallest,
    )


def ends_of(spec: GanSpec) -> tuple[NetworkEnds, NetworkEnds]:
    """What generator and discriminator have at their ends, by the task."""
    return ENDS[spec.task](spec)


def _loss(spec: GanSpec) -> LossPlan:
    said, cycle = spec.train.loss, spec.train.loss.cycle > 0
    paired = spec.task == "image-translation" and not cycle
    return LossPlan(
        kind=said.kind,
        smoothed=said.smoothing > 0,
        r1=said.r1 > 0,
        l1=paired and said.l1 > 0,
        cycle=cycle,
        identity=said.identity > 0,
        pool=cycle and spec.train.pool > 0,
    )


def _player(model: GanModel, name: str, ends: NetworkEnds) -> LayeredNetwork:
    """One of the two, as a network of its own."""
    player: Player = getattr(model, name)
    own = NetworkModel.model_construct(
        numbers=model.numbers,
        conv=_over(model.conv, player.conv),
        linear=_over(model.linear, player.linear),
        norm=_over(model.norm, player.norm),
        blocks={**model.blocks},
        layers=player.layers,
    )
    try:
        return lowered(own, ends)[0]
    except PlacedError as error:
        key = error.key
        if key[:2] != ("model", "blocks"):
            key = ("model", name, *key[1:])
        side = nearest_side(error, own, ends)
        fits = f"the nearest image that fits has {side:,} pixels each way" if side else None
        hint = "; ".join(filter(None, (error.hint, fits))) or None
        raise PlacedError(key, LayerError(error.message, hint)) from None


def _over(below: Said | None, above: Said | None) -> Said | None:
    """What both say of a kind of layer; the one above counts."""
    return with_defaults(above, below) if above else below


def _plan(network: LayeredNetwork, class_name: str, attributes: tuple[str, ...]) -> PlayerPlan:
    return PlayerPlan(
        class_name=class_name,
        attributes=attributes,
        held=network.held,
        statements=network.statements,
        result=network.result,
        rows=network.rows,
        end=network.end,
    )


def _joined_fields(both: Iterable[LayeredNetwork]) -> tuple[ConfigField, ...]:
    """What both have once, then what is of either's layers."""
    fields = dict.fromkeys(field for one in both for field in one.fields)
    whose = {"g_": "of the generator's layers", "d_": "of the discriminator's"}
    return tuple(
        replace(field, comment=field.comment or whose.get(field.name[:2], "")) for field in fields
    )


def _joined_classes(both: Iterable[LayeredNetwork]) -> Iterator[BlockClass]:
    """The classes of both; PlacedError where one name is of two."""
    found: dict[str, BlockClass] = {}
    for one in both:
        for block in one.classes:
            if block.name not in found:
                yield block
            elif block != found[block.name]:
                message = f"the class `{block.name}` differs between generator and discriminator"
                hint = "give each a block of its own"
                raise PlacedError(("model", "blocks"), LayerError(message, hint))
            found[block.name] = block


def _only_unet(both: tuple[LayeredNetwork, LayeredNetwork]) -> UNetClass | None:
    unets = [one.unet for one in both if one.unet]
    if len(unets) > 1:
        message = "one `unet` is all that a model has a class for"
        raise PlacedError(("model", "discriminator"), LayerError(message))
    return unets[0] if unets else None


def _united(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for some in names for name in some}))


def _parameters(
    model: GanModel, players: Iterable[PlayerPlan], both: Iterable[LayeredNetwork], std: float
) -> Iterator[Parameter]:
    """The table of all, each under its attribute; labels' vectors come before its layers."""
    widths = (model.label_dim, model.image.size**2)
    for player, width, one in zip(players, widths, both, strict=True):
        for name in player.attributes:
            if model.classes:
                shape, start = (model.classes, width), Start("normal", std=1.0)
                yield Parameter(f"{name}.labels.weight", shape, "labels", start, "embedding")
            for row in one.parameters:
                start = Start("normal", std=std) if row.init.kind == "normal" else row.init
                group: Group = "vector" if row.group == "vector" else "matrix"
                yield replace(row, name=f"{name}.{row.name}", init=start, group=group)
