"""Which models of few bits transformers doesn't read, though it reads the same ones of floats."""

from __future__ import annotations

# By task: types whose weights transformers (5.23) renames or turns as it reads them, and looks for
# the parts of torchao's tensors by names that no file has.
UNREAD = {
    "causal-lm": ("falcon", "gpt_neox", "hy_v3", "laguna"),
    "masked-lm": ("bart", "gte", "ibert", "jina_embeddings_v3", "mbart", "mvp", "nomic_bert"),
    "seq2seq-lm": (
        *("bart", "blenderbot", "blenderbot-small", "led", "marian", "mbart", "mvp"),
        *("pegasus", "plbart"),
    ),
    "image-classification": (
        *("beit", "deit", "dinov2", "dinov2_with_registers", "ijepa", "vit", "vit_msn"),
    ),
    "sequence-classification": ("falcon", "gte", "ibert"),
    "tagging": ("falcon", "gte", "ibert"),
}
ALL_UNREAD = ("embedding",)  # tasks: the weights of a model without a head lose a prefix


def unread(task: str, model_type: str) -> bool:
    """Whether an export of few bits would not be read there."""
    return task in ALL_UNREAD or model_type.partition(".")[0] in UNREAD.get(task, ())
