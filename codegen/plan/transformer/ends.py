"""What stands before and after the blocks: the embedding and the head, and their config fields."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.reads import LayerCount, Read, Total
from codegen.plan.tables import ConfigField
from codegen.plan.transformer.formula import Formula, Size, agreed_tree, formula_of, holds
from codegen.plan.transformer.layer_gate import WIDTH
from codegen.plan.transformer.layer_numbers.config_fields import LayerNumbers
from codegen.plan.transformer.layer_numbers.number_row import (
    TINY_MODEL,
    TINY_VOCABULARY,
    TOY_NUMBERS,
    scale_value,
    toy_scale,
)
from codegen.plan.transformer.mlps import norm_plan
from codegen.plan.transformer.parts import (
    AltUpPlan,
    EmbeddingPlan,
    HeadPlan,
    NormPlan,
    TransformPlan,
)
from codegen.spec.transformer.resolve import output_width, resolve_norm, scale_numbers, token_count
from codegen.spec.transformer.vocabulary import Block, TransformerModel

TINY_OWN = 8  # width of each layer's own embedding, at toy size
TINY_NARROW = TINY_MODEL // 2  # a width other than d_model, at toy size
WHOLE, NARROW, OUTPUT = Read("d_model"), Read("embedding_dim"), Read("output_dim")


class Ends:
    """A model's embedding, last norm and head; numbers that layers share are read from theirs."""

    def __init__(self, model: TransformerModel, numbers: LayerNumbers, layers: LayerCount) -> None:
        self.model = model
        self.sizes: dict[str, Size] = {"d_model": WHOLE, "layers": layers}
        if model.image is None:
            self.sizes["vocab_size"] = Read("vocab_size")
        self.toy_sizes = {**TOY_NUMBERS, "layers": len(numbers.tiny)}
        transform = model.head.transform
        self.norms = {
            "final": resolve_norm(model, model.final_norm),
            "embedding": resolve_norm(model, model.embedding.norm),
            "head": resolve_norm(model, transform.norm) if transform else None,
            "layer_embedding": model.norm if model.embedding.per_layer else None,
            "altup": model.norm if model.altup else None,
        }
        self.epsilons: dict[float, str] = {}  # those that no block has, by the first that has one
        for place, norm in self.norms.items():
            if norm and not numbers.agrees("norm_eps", norm.eps):
                self.epsilons.setdefault(norm.eps, f"{place}_norm_eps")
        self.narrow = model.embedding.dim not in (None, model.d_model)
        self.output_dim = output_width(model)
        own = model.embedding.per_layer
        self.few_rows = bool(own and own.rows and own.rows < token_count(model))

    def _norm(self, place: str, width: Read = WHOLE) -> NormPlan | None:
        norm = self.norms[place]
        if norm is None:
            return None
        return norm_plan(norm, width, Read(self.epsilons.get(norm.eps, "norm_eps")))

    @property
    def final_norm(self) -> NormPlan | None:
        """The norm after the last block."""
        return self._norm("final")

    def embedding(self) -> EmbeddingPlan:
        """From tokens to the first block."""
        spec = self.model.embedding
        projected = spec.projected if self.narrow else ""
        offset = [Read("position_offset")] if spec.position_offset else []
        types = {"token": spec.token_types, "task": spec.task_types}
        extra = [Read("extra_tokens")] if spec.extra_tokens else []
        return EmbeddingPlan(
            tokens=Total((Read("vocab_size"), *extra)),
            width=NARROW if projected else WHOLE,
            scale=self._read_scale("embedding_scale", spec.scale),
            token_shift=spec.token_shift,
            positions=spec.positions,
            rows=Total((Read("context_length"), *offset)),
            sum_width=NARROW if projected in ("sum", "norm") else WHOLE,
            offset=spec.position_offset > 0,
            interleaved=spec.sinusoids.layout == "interleaved",
            inclusive=spec.sinusoids.inclusive,
            types=tuple(name for name, count in types.items() if count),
            norm=self._norm("embedding", NARROW if projected == "norm" else WHOLE),
            norm_first=spec.norm_of == "tokens",
            projected=projected,
            projection_bias=spec.projection_bias,
            layer_norm=self._norm("layer_embedding", WIDTH) if spec.per_layer else None,
            layer_rows=Read("layer_embedding_rows") if self.few_rows else None,
            features=tuple(feature.name for feature in spec.features),
        )

    def altup(self) -> AltUpPlan | None:
        """The streams that become of the embedding, and are one again before the head."""
        norm = self._norm("altup")
        return AltUpPlan(norm, self.model.altup.scaled) if self.model.altup and norm else None

    def head(self) -> HeadPlan:
        """From the last block to logits."""
        spec, tied = self.model.head, self.model.embedding.tied
        width = WHOLE
        if self.output_dim != self.model.d_model:
            shared = self.output_dim == self.model.embedding.dim
            width = NARROW if shared else OUTPUT
        transform = None
        if spec.transform:
            norm = self._norm("head", width)
            transform = TransformPlan(spec.transform.activation, spec.transform.bias, norm)
        return HeadPlan(
            tied=tied,
            width=width,
            transform=transform,
            scale=self._read_scale("output_scale", spec.scale),
            bias=bool(spec.bias),
            bias_fixed=spec.bias == "fixed",
            softcap=spec.softcap is not None,
            z_loss=spec.z_loss is not None,
        )

    def norm_fields(self) -> Iterator[ConfigField]:
        """The epsilons that are no block's."""
        comments = {"final_norm_eps": "outside the blocks"}
        for eps, name in self.epsilons.items():
            yield ConfigField(name, "float", eps, eps, comments.get(name, ""))

    def fields(self) -> Iterator[ConfigField]:
        """What else the config says of embedding and head."""
        spec, head = self.model.embedding, self.model.head
        if self.narrow:
            yield ConfigField("embedding_dim", "int", spec.dim or 0, TINY_NARROW)
        if self.head().width == OUTPUT:
            yield ConfigField(
                "output_dim", "int", self.output_dim, TINY_NARROW, "of the head's input"
            )
        if spec.extra_tokens:
            extra = spec.extra_tokens
            yield ConfigField("extra_tokens", "int", extra, min(extra, 2), "read, never predicted")
        if spec.per_layer:
            width, comment = spec.per_layer.dim, "of each layer's own embedding"
            yield ConfigField("layer_embedding_dim", "int", width, min(width, TINY_OWN), comment)
        if spec.per_layer and spec.per_layer.rows and self.few_rows:
            rows, comment = spec.per_layer.rows, "others read the first"
            tiny = min(rows, TINY_VOCABULARY - 2)
            yield ConfigField("layer_embedding_rows", "int", rows, tiny, comment)
        if self.model.altup:
            streams = self.model.altup.streams
            yield ConfigField("streams", "int", streams, streams)
        yield from self._scale("embedding_scale", spec.scale)
        if spec.position_offset:
            offset = spec.position_offset
            yield ConfigField("position_offset", "int", offset, offset, "of the first token")
        if spec.positions == "sinusoidal":
            base = float(spec.sinusoids.base)
            yield ConfigField("position_base", "float", base, base, "of the wavelengths")
        for name, count in (("token_types", spec.token_types), ("task_types", spec.task_types)):
            if count:
                yield ConfigField(name, "int", count, count)
        for feature in spec.features:
            rows, dim = feature.rows, feature.dim
            yield ConfigField(f"{feature.name}_ids", "int", rows, min(rows, 7), "rows of its table")
            yield ConfigField(f"{feature.name}_dim", "int", dim, min(dim, 6))
        yield from self._scale("output_scale", head.scale)
        if head.softcap is not None:
            cap = float(head.softcap)
            yield ConfigField("logit_softcap", "float", cap, cap)
        if head.z_loss is not None:
            factor = float(head.z_loss)
            yield ConfigField("z_loss", "float", factor, factor, "of logsumexp^2, in training")

    def _formula(self, scale: float | str | None) -> Formula | None:
        """A scale as it follows from sizes; None where it is a number of its own."""
        found = formula_of(agreed_tree([scale]), self.sizes)
        return found if found and holds(found.tree, self.toy_sizes) else None

    def _read_scale(self, name: str, scale: float | str | None) -> Read | Formula | None:
        """How a model reads a scale."""
        return None if scale is None else self._formula(scale) or Read(name)

    def _scale(self, name: str, scale: float | str | None) -> Iterator[ConfigField]:
        if scale is None:
            return
        real = scale_value(scale, scale_numbers(self.model, Block()))
        tiny = toy_scale(scale, TOY_NUMBERS, real)
        comment = scale if isinstance(scale, str) else ""
        formula = self._formula(scale)
        yield ConfigField(name, "float", real, tiny, comment, formula.tree if formula else None)
