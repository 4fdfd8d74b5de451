"""A model whose rows hold several texts, none of which sees the others."""

from __future__ import annotations

from codegen.spec.transformer.attention import Attention
from codegen.spec.transformer.vocabulary import TransformerModel


def packed(model: TransformerModel) -> TransformerModel:
    """The model with masks that keep documents apart."""
    blocks = {
        kind: block.model_copy(update={"attention": _apart(block.attention)})
        if "mask" in block.attention.model_fields_set
        else block
        for kind, block in model.blocks.items()
    }
    more = {"blocks": blocks} if blocks else {}
    return model.model_copy(update={"attention": _apart(model.attention), **more})


def _apart(attention: Attention) -> Attention:
    return attention.model_copy(update={"mask": f"({attention.mask}) & document"})
