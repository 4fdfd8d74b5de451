"""A slow interpreter of the Plan in plain numpy: what a transformer of this plan must compute.

It shares no code with the templates and reads no expression over the Config: numbers are those of
the layers and of the config's fields at true size, masks are read from their text. It computes in
the precision of the weights; the tests give it float64.
"""

from tests.oracle.arrays import Array
from tests.oracle.ends import IGNORED, loss
from tests.oracle.masks import inputs_read, visible
from tests.oracle.numbers import end_eps, fields, layer_number, norm_eps
from tests.oracle.pooled import contrast, own_losses
from tests.oracle.pooled import hidden as hidden_states
from tests.oracle.pooled import outcome as pooled
from tests.oracle.scores import alibi_slopes, t5_bucket
from tests.oracle.stacks import logits as pair_logits
from tests.oracle.text import logits
from tests.oracle.vision import scores as image_scores

__all__ = [
    "IGNORED",
    "Array",
    "alibi_slopes",
    "contrast",
    "end_eps",
    "fields",
    "hidden_states",
    "image_scores",
    "inputs_read",
    "layer_number",
    "logits",
    "loss",
    "norm_eps",
    "own_losses",
    "pair_logits",
    "pooled",
    "t5_bucket",
    "visible",
]
