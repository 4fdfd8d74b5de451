"""image-classification: the class of an image."""

from __future__ import annotations

from typing import Protocol

from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tables import ConfigField
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.spec.head import SpecHead
from codegen.spec.tasks.image_classification import ImageData

READABLE = (1, 3, 4)  # channels of files of pictures: grey, colours, or colours and alpha


class HasFields(Protocol):
    """A network of any family."""

    @property
    def fields(self) -> tuple[ConfigField, ...]:
        """Those of its config."""


def image_classification(spec: SpecHead, network: HasFields, flops: int) -> TaskPlan:
    """Images with classes. The model's config has fields image_size, channels and classes."""
    assert isinstance(spec.data, ImageData), spec.data
    data = "a folder of one folder per class, or .npz with images and labels"
    numbers = {field.name: field.value for field in network.fields}
    size, channels = numbers["image_size"], numbers["channels"]
    held_out = "fraction of the images held out"
    return TaskPlan(
        name="image-classification",
        data="images",
        commands=(
            "--data images/  # one folder per class",
            "--data digits.npz  # arrays `images` and `labels`",
        ),
        kept="images.json (the classes' names; mean and deviation of the channels)",
        drawn=("batches",),
        data_class="Images",
        row="image",
        unit="image",
        loss="loss (nats per image)",
        flops_of=f"image of {size} x {size} pixels",
        needs="; reading folders of pictures needs Pillow",
        flops=flops,
        options=(
            OptionPlan("data", "str", "", data),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
        ),
        parts={
            "usage": "tasks/image_classification/usage.md.jinja",
            "objective": "tasks/image_classification/objective.py.jinja",
            "measure": "tasks/image_classification/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=(FilePlan("data.py", "tasks/image_classification/data.py.jinja", roots=()),),
        tests=TestsPlan(
            imports=(),
            constants=(),
            parts=(
                "tasks/image_classification/tests/fixtures.py.jinja",
                "tasks/image_classification/tests/scores.py.jinja",
                "package/tests/overfit.py.jinja",
                "tasks/image_classification/tests/training.py.jinja",
                *(
                    ("tasks/image_classification/tests/folders.py.jinja",)
                    if channels in READABLE
                    else ()
                ),
            ),
        ),
        toy_lr=3e-3,
        figures=(("validation_accuracy", "accuracy {:.2%}"),),
    )
