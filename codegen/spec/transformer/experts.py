"""The vocabulary of a mixture of experts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.head import NotNegative, Positive, PositiveFloat, Vocabulary, Width
from codegen.spec.switches import Needs
from codegen.spec.transformer.activation import Activation
from codegen.spec.values import Scale, none_word


class Router(Vocabulary):
    """How a token's experts are chosen, and how much each of them counts."""

    scores: Literal["softmax", "sigmoid", "sparsemixer"] = Field(
        "softmax",
        description="of the experts' logits; `sparsemixer` is that of Phi-3.5-MoE "
        "(arXiv:2409.12136): one softmax for each choice, over logits near the highest left",
    )
    normalize: bool = Field(
        True,
        description="a token's weights sum to one; after a softmax that is the softmax over the "
        "logits of the active experts",
    )
    power: PositiveFloat = Field(1.0, description="`normalize` divides by the norm of this order")
    eps: NotNegative = Field(0.0, description="added to what `normalize` divides by")
    bias: bool = Field(False, description="a learned offset of the logits")
    logit_scale: Scale | None = Field(
        None, description="a factor of the logits, such as `1 / sqrt(d_model)`"
    )
    softcap: PositiveFloat | None = Field(
        None, description="logits become c * tanh(logits / c) before all else"
    )
    correction: bool = Field(
        False,
        description="an offset of the scores by which experts are chosen, not weighed; training "
        "evens loads out with it, without a loss (arXiv:2408.15664, section 3)",
    )
    correction_rate: Annotated[NotNegative, Needs("correction")] = Field(
        0.001,
        description="by which each step moves the offset up where an expert has fewer tokens than "
        "the mean, else down; 0 keeps that of the checkpoint",
    )
    corrected: Literal["scores", "logits"] = Field(
        "scores", description="what the offset is added to"
    )
    groups: Positive = Field(1, description="equal parts of the experts, some of which are open")
    active_groups: Positive = Field(
        1, description="groups that a token chooses from (arXiv:2405.04434, section 2.2.2)"
    )
    group_score: Literal["max", "top2"] = Field(
        "max", description="a group's best expert, or the sum of its best two"
    )
    scale: PositiveFloat = Field(1.0, description="a factor of all weights")
    expert_scale: bool = Field(
        False, description="a learned factor of each expert's weight, after they are normalised"
    )
    apply: Literal["output", "input"] = Field(
        "output", description="weights multiply what experts compute, or what they read"
    )
    threshold: PositiveFloat = Field(
        0.01, description="of sparsemixer: logits further than twice this part below are left out"
    )


class SharedExpert(Vocabulary):
    """An expert that all tokens go to."""

    d_ff: Width | None = Field(None, description="width; by default that of the other experts")
    gate: bool = Field(False, description="its output is multiplied by a learned sigmoid")
    average: bool = Field(
        False, description="the mean of its output and of the others', not their sum"
    )
    activation: Activation | None = Field(None, description="by default that of the MLP")
    bias: bool | None = Field(None, description="on every projection; by default that of the MLP")


class Experts(Vocabulary):
    """Several MLPs, of which each token goes to a few (arXiv:1701.06538)."""

    count: Width = Field(description="experts of a layer")
    active: Width = Field(2, description="experts that a token goes to")
    d_ff: Width | None = Field(None, description="width of one; by default that of the MLP")
    bias: bool | None = Field(None, description="on every projection; by default that of the MLP")
    shared: Annotated[SharedExpert | None, BeforeValidator(none_word)] = Field(
        None, description="one more expert for all tokens"
    )
    own_norms: bool = Field(
        False,
        description="the router, the experts and the one for all tokens each read the stream by a "
        "norm of their own, formed as the block's, and not by that of the sublayer (Gemma 4)",
    )
    output_norms: bool = Field(
        False,
        description="what the experts add and what the one for all tokens adds each have a norm",
    )
    router: Router = Field(Router.plain(), description="the choice of experts")
    aux_loss: NotNegative = Field(
        0.0,
        description="in training, this much of the load-balancing loss over all layers is added "
        "(arXiv:2101.03961, section 2.2)",
    )
    z_loss: NotNegative = Field(
        0.0,
        description="in training, this much of the logits' squared logsumexp is added "
        "(arXiv:2202.08906, section 3.1)",
    )
