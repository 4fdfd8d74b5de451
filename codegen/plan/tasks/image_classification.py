"""image-classification: the class of an image."""

from __future__ import annotations

from codegen.plan.files import FilePlan
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.spec.head import SpecHead


def image_classification(spec: SpecHead, network: object, flops: int) -> TaskPlan:
    """Images with classes. The model's config has fields image_size, channels and classes."""
    data = "a folder of one folder per class, or .npz with images and labels"
    augment = "flip and move the images of training at random"
    held_out = "fraction of the images held out"
    return TaskPlan(
        name="image-classification",
        data="images",
        commands=(
            "--data images/  # one folder per class",
            "--data digits.npz  # arrays `images` and `labels`",
        ),
        kept="images.json (the classes' names; mean and deviation of the channels)",
        drawn="Batches, their augmentation and dropout",
        data_class="Images",
        row="image",
        unit="image",
        loss="loss (nats per image)",
        flops=flops,
        options=(
            OptionPlan("data", "str", "", data),
            OptionPlan("augment", "bool", True, augment),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
        ),
        parts={
            "test": "package/test_vision.py.jinja",
            "readme": "package/README_vision.md.jinja",
            "objective": "tasks/image_classification/objective.py.jinja",
            "measure": "tasks/image_classification/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=(FilePlan("data.py", "tasks/image_classification/data.py.jinja", roots=()),),
        tests=(),
        figures=(("validation_accuracy", "accuracy {:.2%}"),),
    )
