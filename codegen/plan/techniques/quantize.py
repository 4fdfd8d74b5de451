"""quantize: a trained model's matrices as whole numbers of few bits."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.plan.files import FilePlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec.head import SpecHead
from codegen.spec.techniques.quantize import Quantization

FOLDER = "techniques/quantize"
PLACES = (
    "starts",
    *("shaped_imports", "shaped", "used_imports", "used"),
    *("compress_imports", "compress_says", "compress_options", "compressed", "swept"),
    *("export_imports", "export_options", "exported", "export_written"),
)


@frozen
class QuantizePlan(TechniquePlan):
    """What `compress` does unless it is told otherwise."""

    weights: str = "int8"
    group: int = 32
    symmetric: bool = False
    by: str = "gptq"
    activations: str = "none"
    skip: tuple[str, ...] = ()
    aware: bool = False


def quantize(spec: SpecHead, said: Quantization) -> QuantizePlan:
    """Modules in whose place others are put, and how their numbers are found."""
    more = ("imports", "built") if said.aware else ()
    return QuantizePlan(
        name="quantize",
        parts={place: f"{FOLDER}/{place}.py.jinja" for place in (*PLACES, *more)},
        draws=False,
        files=(
            FilePlan("codes.py", f"{FOLDER}/codes.py.jinja", roots=()),
            FilePlan("quantize.py", f"{FOLDER}/quantize.py.jinja", roots=()),
            FilePlan("calibrate.py", f"{FOLDER}/calibrate.py.jinja", roots=()),
            *((FilePlan("aware.py", f"{FOLDER}/aware.py.jinja", roots=()),) if said.aware else ()),
            *(whole_numbers() if spec.family == "network" else ()),
            FilePlan(
                "export_quantized.py",
                f"{FOLDER}/export_quantized.py.jinja",
                roots=(),
                beside="export.py",
            ),
        ),
        tests=(f"{FOLDER}/tests.py.jinja",),
        weights=said.weights,
        group=said.group,
        symmetric=said.symmetric,
        by="nearest" if said.aware else said.by,
        activations=said.activations,
        skip=tuple(said.skip),
        aware=said.aware,
    )


def whole_numbers() -> Iterator[FilePlan]:
    """Of networks: layers that read whole numbers, and how they are found."""
    for name in ("static", "layers", "ranges"):
        yield FilePlan(f"{name}.py", f"{FOLDER}/{name}.py.jinja", roots=())
    yield FilePlan("convolutions.py", f"{FOLDER}/convolutions.py.jinja", roots=(), use="nn.Conv2d")
