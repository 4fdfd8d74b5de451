"""Any part of some fields, and the values that several parts of a model draw from."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Fields = dict[str, Any]

EPSILONS = st.sampled_from([1e-6, 1e-5, 1e-3, 0.1])
THETAS = st.sampled_from([7.5, 100.0, 1e4, 1e6])
EMBEDDING_SCALES = st.sampled_from(
    [0.3, 3, "sqrt(d_model)", "d_model / layers", "sqrt(vocab_size)"]
)

ACTIVATIONS = st.sampled_from(
    [
        *("silu", "gelu", "gelu_tanh", "relu", "relu2", "quick_gelu", "sigmoid", "tanh", "mish"),
        *("softplus", "leaky_relu", "xielu", "xielu", "identity", "relu6", "gelu_10"),
        *("hardswish", "laplace", "sqrtsoftplus"),
    ]
)


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Fields]:
    """Any part of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def coin() -> st.SearchStrategy[bool]:
    return st.booleans()
