"""Marks of the fields that only some tasks of a transformer have."""

from codegen.spec.owned import Only

OF_TEXT = Only("causal-lm", "masked-lm", "seq2seq-lm")
OF_IMAGES = Only("image-classification")
OF_PAIRS = Only("seq2seq-lm")  # an encoder and a decoder
OF_DECODERS = Only("causal-lm")
OF_ENCODERS = Only("masked-lm", "image-classification")
OF_ONE_STACK = Only("causal-lm", "masked-lm", "image-classification")
OF_TEXT_IN_ONE_STACK = Only("causal-lm", "masked-lm")
