"""Marks of the fields that only some tasks of a transformer have."""

from codegen.spec.owned import Only
from codegen.spec.tasks.decoders import DECODERS

OF_TEXT = Only(
    *(*DECODERS, "masked-lm", "seq2seq-lm", "sequence-classification", "tagging", "embedding")
)
OF_TOKENS = Only(*DECODERS, "masked-lm", "seq2seq-lm")  # that are predicted
OF_IMAGES = Only("image-classification", "image-embedding")
OF_VIEWS = Only("image-embedding")
OF_CLASSES = Only("image-classification", "sequence-classification", "tagging")
OF_POOLED = Only("sequence-classification", "embedding")  # texts, each as a whole
OF_TEXT_CLASSES = Only("sequence-classification")
OF_EMBEDDINGS = Only("embedding")
OF_CONTRASTS = Only("embedding", "image-embedding")  # with what belongs together
OF_SCORES = Only(
    *(*DECODERS, "masked-lm", "seq2seq-lm", "image-classification", "sequence-classification"),
    "tagging",
)
OF_PAIRS = Only("seq2seq-lm")  # an encoder and a decoder
OF_DECODERS = Only(*DECODERS)
OF_ENCODERS = Only(
    *("masked-lm", "image-classification", "sequence-classification", "tagging", "embedding"),
    "image-embedding",
)
OF_ONE_STACK = Only(
    *(*DECODERS, "masked-lm", "image-classification", "sequence-classification"),
    *("tagging", "embedding", "image-embedding"),
)
OF_TEXT_IN_ONE_STACK = Only(
    *(*DECODERS, "masked-lm", "sequence-classification", "tagging", "embedding")
)
OF_TOKENS_IN_ONE_STACK = Only(*DECODERS, "masked-lm")
