"""Each layer's numbers, at true and at toy size, and the config fields that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from codegen.plan.masks.names import MaskNumber, mask_numbers
from codegen.plan.reads import LayerCount, Read
from codegen.plan.tables import ConfigField
from codegen.plan.transformer.formula import (
    Formula,
    Local,
    Size,
    agreed_tree,
    formula_of,
    holds,
)
from codegen.plan.transformer.image import ImagePlan
from codegen.plan.transformer.image_parameters import image_fields
from codegen.plan.transformer.layer_masks import (
    EVERYTHING,
    TINY_CONTEXT,
    layer_masks,
    toy_values,
    true_value,
)
from codegen.plan.transformer.layer_numbers.number_row import (
    TINY_MODEL,
    TINY_VOCABULARY,
    TOY_NUMBERS,
    NumberRow,
    Value,
    layer_values,
    mask_row,
)
from codegen.plan.transformer.layer_numbers.of_convolutions import CONV_ROWS
from codegen.plan.transformer.layer_numbers.of_experts import EXPERT_ROWS
from codegen.plan.transformer.layer_numbers.of_heads import HEAD_ROWS
from codegen.plan.transformer.layer_numbers.of_sublayers import OTHER_ROWS
from codegen.plan.transformer.rope import rope_fields, rope_plans
from codegen.spec.transformer.resolve import attending, scale_numbers
from codegen.spec.transformer.vocabulary import Block, Dropout, TransformerModel

# What is said of scales that may follow from sizes.
SCALES: Mapping[str, Callable[[Block], float | str | None]] = {
    "attention_scale": lambda block: block.attention.scale,
    "residual_scale": lambda block: block.residual.scale,
    "route_logit_scale": lambda block: (
        block.mlp.experts.router.logit_scale if block.mlp.experts else None
    ),
}


class LayerNumbers:
    """Each layer's numbers, true and toy, and how the config names them."""

    def __init__(
        self,
        model: TransformerModel,
        kinds: tuple[str | None, ...],
        blocks: dict[str | None, Block],
    ) -> None:
        self.model = model
        self.kinds = kinds
        self.blocks = blocks
        self.attending = attending(blocks)
        self.masks = layer_masks(self.attending)
        none: tuple[MaskNumber, ...] = ()
        of_mask = {kind: mask_numbers(mask) for kind, mask in self.masks.items()}
        self.mask_numbers = {kind: of_mask.get(kind, none) for kind in blocks}
        knobs = {n.name: n.knob for numbers in self.mask_numbers.values() for n in numbers}
        mask_rows = [mask_row(knob) for knob in knobs.values()]
        plain_rows = (*CONV_ROWS, *OTHER_ROWS, *EXPERT_ROWS)
        self.rows = {row.name: row for row in (*HEAD_ROWS, *mask_rows, *plain_rows)}
        toys = toy_values(self.mask_numbers.values(), model.context_length)
        by_kind, toy = {}, {}
        for kind, block in blocks.items():
            numbers = self.mask_numbers[kind]
            mask = {n.name: true_value(n, model.context_length) for n in numbers}
            toy_mask = {n.name: toys[n] for n in numbers}
            by_kind[kind], toy[kind] = layer_values(
                (*HEAD_ROWS, *plain_rows), model, block, mask, toy_mask
            )
        self._fill(by_kind)
        self._fill(toy)
        self.true = [by_kind[kind] for kind in kinds]
        self.tiny_kinds = tuple(dict.fromkeys(kinds)) if len(blocks) > 1 else (kinds[0],) * 2
        self.tiny = [toy[kind] for kind in self.tiny_kinds]

    def _fill(self, by_kind: dict[str | None, dict[str, Value]]) -> None:
        """Layers that don't read a number of their own, or of their mixer, hold the others'."""
        for row in self.rows.values():
            kinds = [kind for kind, block in self.blocks.items() if row.read_by(block)]
            lacking = [
                kind
                for kind, block in self.blocks.items()
                if row.of not in ("", block.mixer) or (row.own and not row.used(block))
            ]
            if kinds and lacking:
                most = max(by_kind[kind][row.name] for kind in kinds)
                for kind in lacking:
                    by_kind[kind][row.name] = most

    def used(self, name: str) -> bool:
        """Whether any layer has the number at all."""
        return name not in self.rows or any(map(self.rows[name].read_by, self.blocks.values()))

    def uniform(self, name: str) -> bool:
        """Whether all layers that have the number agree on it."""
        return len({values[name] for values in self.true if name in values}) == 1

    def agrees(self, name: str, value: float) -> bool:
        """Whether all layers have this very number."""
        return all(values[name] == value for values in self.true)

    def formula(self, name: str) -> Formula | None:
        """The scale of all layers that follows from their sizes; None for any other number."""
        if name not in SCALES or not self.used(name):
            return None
        row, blocks = self.rows[name], self.blocks.values()
        of_it = (b for b in blocks if row.of in ("", b.mixer) and (row.used(b) or not row.own))
        tree = agreed_tree(SCALES[name](b) for b in of_it)
        latent = name == "attention_scale" and all(
            b.attention.latent for b in self.attending.values()
        )
        sizes = {**self._sizes, "head_dim": Local("head_dim")} if latent else self._sizes
        found = formula_of(tree, sizes)
        return found if found and holds(found.tree, *self._toy_sizes()) else None

    @cached_property
    def _sizes(self) -> dict[str, Size]:
        """How a constructor reads the sizes that a scale may name."""
        blocks, attended = self.blocks.values(), self.attending.values()
        found: dict[str, Size] = {"d_model": Read("d_model")}
        if attended:
            found["heads"] = self.read("heads")
        if self.model.image is None:
            found["vocab_size"] = Read("vocab_size")
        if len(self.blocks) == 1:
            found["layers"] = LayerCount(Read("layers"), kinds=False)
        if all(b.mlp.experts is None for b in blocks):
            found["d_ff"] = self.read("d_ff")
        if attended and all(b.attention.latent is None for b in attended):
            found["head_dim"] = self.read("head_dim")
        ropes = rope_plans(self.model, self.attending)
        if len(ropes) == 1 and all(b.attention.rope for b in attended):
            found["rope_factor"] = Read(f"{ropes[0].name}_factor")
        return found

    def _toy_sizes(self) -> Iterator[dict[str, float]]:
        for values, kind in zip(self.tiny, self.tiny_kinds, strict=True):
            stretch = scale_numbers(self.model, self.blocks[kind]).get("rope_factor", 1.0)
            yield {
                **TOY_NUMBERS,
                **{name: values[name] for name in ("heads", "head_dim", "d_ff") if values[name]},
                "layers": len(self.tiny),
                "rope_factor": stretch,
            }

    def scale(self, name: str) -> Read | Formula:
        """How a constructor reads a scale from its config, or works it out from sizes."""
        return self.formula(name) or self.read(name)

    def read(self, name: str) -> Read:
        """How a constructor reads the number from its config."""
        if not self.used(name):
            name = self.rows[name].else_read or name
        return Read(name) if self.uniform(name) else Read(self.rows[name].plural, by_layer=True)


def config_fields(
    model: TransformerModel,
    numbers: LayerNumbers,
    image: ImagePlan | None = None,
    norm_fields: Iterable[ConfigField] = (),
    end_fields: Iterable[ConfigField] = (),
    *,
    one_kind: bool,
) -> tuple[ConfigField, ...]:
    """The knobs that this model has, in the order a reader expects.

    Those of norms outside the blocks, and those of embedding and head, are given.
    """
    sizes = image_fields(image) if image else _token_fields(model)
    fields = [
        *sizes,
        ConfigField("d_model", "int", model.d_model, TINY_MODEL),
        _layers_field(numbers, one_kind),
        *kv_source_fields(numbers),
        *([_order_field(model.order, len(numbers.tiny_kinds))] if model.order else []),
        *(
            _number_field(numbers, row)
            for row in numbers.rows.values()
            if numbers.used(row.name) and row.name != "rope_theta"
        ),
    ]
    fields += norm_fields
    if numbers.used("rope_theta"):
        order = (numbers.kinds, numbers.tiny_kinds)
        theta = _number_field(numbers, numbers.rows["rope_theta"])
        fields += rope_fields(model, numbers.attending, order, theta)
    fields += end_fields
    fields += _router_loss_fields(numbers)
    fields += dropout_fields(model)
    if model.drop_path and model.drop_path.rate:
        rate = float(model.drop_path.rate)
        comment = "of branches, in the last layer" if model.drop_path.growing else "of branches"
        fields.append(ConfigField("drop_path", "float", rate, rate, comment))
    if model.layer_scale is not None:
        start = float(model.layer_scale)
        fields.append(ConfigField("layer_scale", "float", start, start, "at first"))
    fields.append(ConfigField("init_std", "float", model.init.std, model.init.std))
    if model.init.embedding_std is not None:
        std = float(model.init.embedding_std)
        fields.append(ConfigField("embedding_std", "float", std, std))
    return tuple(fields)


def _token_fields(model: TransformerModel) -> Iterator[ConfigField]:
    yield ConfigField("vocab_size", "int", model.vocab_size, TINY_VOCABULARY)
    yield ConfigField("context_length", "int", model.context_length, TINY_CONTEXT)


def _router_loss_fields(numbers: LayerNumbers) -> Iterator[ConfigField]:
    """Of what the routers add to the loss and how they are corrected; all layers share them."""
    experts = [block.mlp.experts for block in numbers.blocks.values() if block.mlp.experts]
    balance = max((float(e.aux_loss) for e in experts), default=0.0)
    z_loss = max((float(e.z_loss) for e in experts), default=0.0)
    if balance:
        yield ConfigField("aux_loss", "float", balance, balance, "of unbalanced routers")
    if z_loss:
        comment = "of the routers' logsumexp^2"
        yield ConfigField("router_z_loss", "float", z_loss, z_loss, comment)
    corrected = [e.router for e in experts if e.router.correction]
    if rate := max((float(r.correction_rate) for r in corrected), default=0.0):
        yield ConfigField("correction_rate", "float", rate, rate, "of correction_bias, per step")


def _layers_field(numbers: LayerNumbers, one_kind: bool) -> ConfigField:
    """A number of layers, or the kind of each where kinds differ in structure."""
    if not one_kind:
        kinds, tiny = (tuple(k or "" for k in n) for n in (numbers.kinds, numbers.tiny_kinds))
        return ConfigField("layers", "tuple[str, ...]", kinds, tiny, "the kind of each block")
    return ConfigField("layers", "int", len(numbers.kinds), len(numbers.tiny_kinds))


def _order_field(order: list[int], tiny_layers: int) -> ConfigField:
    """The layers as they are passed; at toy size all of them, twice."""
    tiny = tuple(range(tiny_layers)) * 2
    return ConfigField("order", "tuple[int, ...]", tuple(order), tiny, "in which layers are passed")


def _number_field(numbers: LayerNumbers, row: NumberRow) -> ConfigField:
    # A number of a mask that only some layers have stands as zero in the others.
    real = tuple(values.get(row.name, 0) for values in numbers.true)
    tiny = tuple(values.get(row.name, 0) for values in numbers.tiny)
    formula = numbers.formula(row.name)
    tree = formula.tree if formula else None
    if numbers.uniform(row.name):
        return ConfigField(row.name, row.type, max(real), max(tiny), row.comment, tree)
    of_each = "by layer" + (f", {row.of_each}" if row.of_each else "")
    if EVERYTHING in real:
        of_each = "by layer; 2**30 is all"
    return ConfigField(row.plural, f"tuple[{row.type}, ...]", real, tiny, of_each, tree)


def dropout_fields(model: TransformerModel) -> list[ConfigField]:
    """One rate for all places, or those of the places that have one."""
    said = model.dropout
    rates = (
        {f"{place}_dropout": rate for place, rate in said.model_dump().items()}
        if isinstance(said, Dropout)
        else {"dropout": said}
    )
    return [ConfigField(name, "float", rate, rate) for name, rate in rates.items() if rate]


def dropout_read(model: TransformerModel, place: str) -> Read | None:
    """How the rate of a place is read from the config; None where nothing is dropped."""
    names = {field.name for field in dropout_fields(model)}
    name = next((n for n in ("dropout", f"{place}_dropout") if n in names), None)
    return Read(name) if name else None


def kv_sources(
    kinds: tuple[str | None, ...], blocks: Mapping[str | None, Block]
) -> tuple[int, ...]:
    """The layer whose keys and values each layer reads: its own, or the last before of a kind."""
    found = []
    last: dict[str | None, int] = {}
    for layer, kind in enumerate(kinds):
        block = blocks[kind]
        source = block.attention.kv_of if block.mixer == "attention" else None
        found.append(last.get(source, layer) if source else layer)
        last[kind] = layer
    return tuple(found)


def kv_source_fields(numbers: LayerNumbers) -> list[ConfigField]:
    """Where layers find keys and values, if some have none of their own."""
    if not any(block.attention.kv_of for block in numbers.attending.values()):
        return []
    true, tiny = (
        kv_sources(kinds, numbers.blocks) for kinds in (numbers.kinds, numbers.tiny_kinds)
    )
    comment = "the layer whose keys and values each reads"
    return [ConfigField("kv_sources", "tuple[int, ...]", true, tiny, comment)]
