"""What a spec may say of training: the defaults of the training script."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codegen.spec.fields import (
    Count,
    Fraction,
    NotNegative,
    Positive,
    PositiveFloat,
    Rate,
    Vocabulary,
)
from codegen.spec.optimizers import AdamW, AnyOptimizer
from codegen.spec.owned import Only
from codegen.spec.schedules import AnySchedule, Schedule
from codegen.spec.techniques.adversarial import Attacked
from codegen.spec.techniques.augment import Augmentations
from codegen.spec.techniques.distill import Distilled
from codegen.spec.techniques.ema import Ema
from codegen.spec.techniques.factor import Factored
from codegen.spec.techniques.prune import Pruned
from codegen.spec.techniques.quantize import Quantized

OF_PICTURES = ("super-resolution", "image-to-image")
OF_IMAGES = ("image-classification", "image-segmentation", *OF_PICTURES)
OF_ROWS = (*OF_IMAGES, "classification", "regression")
TAUGHT = (
    *("causal-lm", "chat", "masked-lm", "seq2seq-lm", "tagging"),
    *("image-classification", "classification"),
)
OF_PAIRS = ("preference",)
COMPRESSED = (
    *("causal-lm", "chat", "preference", "masked-lm", "seq2seq-lm", "tagging", "embedding"),
    *("sequence-classification", "classification", "regression", "image-embedding"),
    *OF_IMAGES,
)
OF_EXAMPLES = (*OF_ROWS, "seq2seq-lm", "chat", *OF_PAIRS)
OF_SMOOTHING = ("image-classification", "classification", *OF_PAIRS)
Loss = Annotated[
    Annotated[Literal["l1", "l2"], Only(*OF_PICTURES)]
    | Annotated[Literal["dpo", "dpo_norm"], Only(*OF_PAIRS)]
    | None,
    Only(*OF_PICTURES, *OF_PAIRS),
]


class Train(Vocabulary):
    """How the model is trained unless the command line says otherwise."""

    optimizer: AnyOptimizer = Field(AdamW.plain(), description="update rule")
    schedule: AnySchedule = Field(Schedule.plain(), description="learning rate over the run")
    batch: Positive = Field(32, description="sequences a step, on each device")
    accumulation: Positive = Field(1, description="batches whose gradients add up to one step")
    steps: Positive = Field(10_000, description="optimizer steps")
    epochs: Annotated[PositiveFloat | None, Only(*OF_EXAMPLES)] = Field(
        None, description="passes over the data, instead of `steps`; each row is seen once in each"
    )
    clip: NotNegative = Field(1.0, description="gradient norm limit; 0 for none")
    validation: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="the last part of the corpus, held out"
    )
    eval_every: Positive = Field(500, description="steps between evaluations")
    patience: Count = Field(
        0, description="evaluations without improvement after which a run ends; 0: it goes on"
    )
    checkpoint_every: Positive = Field(500, description="steps between checkpoints")
    log_every: Positive = Field(10, description="steps between log lines")
    seed: Count = Field(1337, description="of initialisation and of the order of the data")
    label_smoothing: Annotated[Rate, Only(*OF_SMOOTHING)] = Field(
        0.0,
        description="part of each target that all classes share (arXiv:1512.00567); of pairs, the "
        "part that may be the wrong way round (conservative DPO)",
    )
    loss: Loss = Field(
        None,
        description="of each pixel: its distance (`l1`) or its square (`l2`); by default `l2` "
        "where pictures become larger, else `l1`. Of each pair: `dpo` (arXiv:2305.18290), the "
        "default, or `dpo_norm`, of log-probabilities per token (arXiv:2411.15124, section 5)",
    )
    beta: Annotated[PositiveFloat, Only(*OF_PAIRS)] = Field(
        0.1,
        description="of DPO, how strongly a model is held to the one it began as; of `dpo_norm` "
        "5 is usual",
    )
    dice: Annotated[Fraction, Only("image-segmentation")] = Field(
        0.0,
        description="part of the loss that is the Dice loss of each image (arXiv:1606.04797); the "
        "rest is cross entropy",
    )
    ema: Ema | None = Field(
        None, description="an average of the weights, which is evaluated and kept; its decay"
    )
    distill: Annotated[Distilled | None, Only(*TAUGHT)] = Field(
        None,
        description="a trained model's probabilities are learned beside the data; the temperature",
    )
    prune: Annotated[Pruned | None, Only(*COMPRESSED)] = Field(
        None, description="the weights that matter least become zero; part of each matrix"
    )
    adversarial: Annotated[Attacked | None, Only("image-classification")] = Field(
        None, description="images of training are changed to be taken for others; how far"
    )
    quantize: Annotated[Quantized | None, Only(*COMPRESSED)] = Field(
        None,
        description="weights of few bits, which `compress` makes of a trained model's; the bits "
        "for short",
    )
    factor: Annotated[Factored | None, Only(*COMPRESSED)] = Field(
        None,
        description="linear maps as products of two narrow ones, which training starts from; the "
        "rank for short",
    )
    augment: Annotated[Augmentations, Only(*OF_IMAGES, "image-translation")] = Field(
        [],
        description="what is done to images of training, each in its own way: a list of words "
        "(`flip`), or words with their fields; `true` for `[flip, shift]`",
    )
