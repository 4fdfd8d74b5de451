"""What a transformer adds to a generated package: its files."""

from __future__ import annotations

from codegen.plan.files import FilePlan
from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.plan.transformer.network import TransformerNetwork


def transformer_files(
    network: TransformerNetwork, kernels: KernelPlan | None
) -> tuple[FilePlan, ...]:
    """The model, and the attention, operations and kernels that PyTorch lacks."""
    model = FilePlan("model.py", "package/model.py.jinja", roots=("Config", "Model"))
    attention = FilePlan("attention.py", "package/attention.py.jinja", roots=())
    operations = FilePlan("ops.py", "package/ops.py.jinja", roots=())
    triton = FilePlan("kernels.py", "package/kernels.py.jinja", roots=())
    return (
        model,
        *((attention,) if network.functions else ()),
        *((operations,) if kernels and kernels.operations else ()),
        *((triton,) if kernels else ()),
    )
