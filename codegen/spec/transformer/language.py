"""The transformer family: its vocabulary, its tasks, its checks."""

from __future__ import annotations

from codegen.spec.language import FamilyLanguage
from codegen.spec.transformer.check_blocks import check_blocks
from codegen.spec.transformer.check_chats import check_chats
from codegen.spec.transformer.check_data import check_separator
from codegen.spec.transformer.check_ends import check_ends
from codegen.spec.transformer.check_image import check_image
from codegen.spec.transformer.check_layers import check_layers, check_order
from codegen.spec.transformer.check_pooling import check_pooling
from codegen.spec.transformer.check_stacks import check_encoder, check_stacks
from codegen.spec.transformer.check_switches import check_switches
from codegen.spec.transformer.knobs import knobs
from codegen.spec.transformer.scale import MODEL_NAMES, NAMES
from codegen.spec.transformer.synonyms import SYNONYMS
from codegen.spec.transformer.vocabulary import TASK_DEFAULTS, TransformerSpec


def expressions() -> str:
    """What masks and scales are written in, for the reference."""
    from codegen.spec.masks.notes import mask_notes  # which draws

    names = ", ".join(f"`{name}`" for name in NAMES)
    of_model = ", ".join(f"`{name}`" for name in MODEL_NAMES)
    return (
        f"{mask_notes()}\n"
        "## Scales\n\n"
        f"A scale is a number, or an expression of {names},\n"
        "`sqrt(...)`, `log(...)`, `+ - * /` and parentheses. Those of the embedding and of the\n"
        f"head, which are of no layer, know {of_model} alone.\n"
    )


LANGUAGE = FamilyLanguage(
    whole=TransformerSpec,
    tasks=(
        *("causal-lm", "chat", "preference", "masked-lm", "seq2seq-lm", "image-classification"),
        *("sequence-classification", "tagging", "embedding", "image-embedding"),
    ),
    checks=(
        check_layers,
        check_blocks,
        check_stacks,
        check_encoder,
        check_image,
        check_ends,
        check_order,
        check_pooling,
        check_separator,
        check_chats,
        check_switches,
    ),
    knobs=knobs,
    defaults=TASK_DEFAULTS,
    default="causal-lm",
    notes=expressions,
    synonyms=SYNONYMS,
)
