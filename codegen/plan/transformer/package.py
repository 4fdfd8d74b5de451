"""What a transformer adds to a generated package: its files, and parts of its tests."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.spec.tasks.decoders import DECODERS


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


def transformer_tests(network: TransformerNetwork, kernels: KernelPlan | None) -> TestsPlan:
    """What is tested of its layers, its routers and its kernels."""
    imports = ("transformer/tests/imports.py.jinja",) if network.tested_names else ()
    constants = ("transformer/tests/side.py.jinja",) if network.image else ()
    idle = ".router." if network.idle_routers else ""
    return TestsPlan(imports, constants, tuple(_tests(network, kernels)), idle)


def _tests(network: TransformerNetwork, kernels: KernelPlan | None) -> Iterator[str]:
    folder = "transformer/tests"
    if network.drops_numbers:
        yield f"{folder}/dropout.py.jinja"
    if network.recomputed:
        yield f"{folder}/recomputed.py.jinja"
    if network.image:
        yield f"{folder}/patches.py.jinja"
        yield from _tests_of_kernels(network, kernels)
        return
    if network.functions:
        yield f"{folder}/tiles.py.jinja"
    if not network.encoder:
        if not (network.pooling and network.padded):  # their lengths are given where they are read
            yield f"{folder}/mask_inputs.py.jinja"
        yield f"{folder}/layers.py.jinja"
    if network.task == "masked-lm":
        if "lengths" in network.inputs:
            yield f"{folder}/padding.py.jinja"
        yield f"{folder}/token_types.py.jinja"
    if network.pooling:
        yield f"{folder}/pooled.py.jinja"
        yield f"{folder}/token_types.py.jinja"
    if network.task in DECODERS:
        if network.experts:
            yield f"{folder}/experts.py.jinja"
        if network.head.z_loss and not network.drops_numbers:
            yield f"{folder}/z_loss.py.jinja"
        if network.router_losses and not network.drops_numbers and not network.head.z_loss:
            yield f"{folder}/router_loss.py.jinja"
    if (network.router_losses or network.corrected) and not network.drops:
        yield f"{folder}/accumulation.py.jinja"
    yield from _tests_of_kernels(network, kernels)


def _tests_of_kernels(network: TransformerNetwork, kernels: KernelPlan | None) -> Iterator[str]:
    folder = "transformer/tests"
    if kernels is None:
        return
    compared = network.decodes and (kernels.attentions or kernels.computes)
    if compared or kernels.quantized:
        yield f"{folder}/interpreted.py.jinja"
    if compared:
        yield f"{folder}/kernels.py.jinja"
    if kernels.quantized:
        yield f"{folder}/quantized_kernels.py.jinja"
