"""image-embedding: a vector of an image."""

from __future__ import annotations

from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.image_classification import HasFields, arrays_of
from codegen.plan.tasks.task import ANSWERS, OptionPlan, TaskPlan
from codegen.spec.head import SpecHead

FOLDER = "tasks/image_embedding"


def image_embedding(spec: SpecHead, network: HasFields, flops: int) -> TaskPlan:
    """Two views of each image, each told from all others of its batch."""
    numbers = {field.name: field.value for field in network.fields}
    size, arrays = numbers["image_size"], arrays_of(numbers["channels"])
    data = "a folder with pictures, or .npz with images"
    held_out = "fraction of the images held out"
    return TaskPlan(
        name="image-embedding",
        data="images",
        commands=("--data images/", f"--data {arrays}  # an array `images`"),
        keeps=("images.json",),
        kept="images.json (mean and deviation of the channels)",
        drawn=("batches", "the views of their images"),
        data_class="Images",
        row="image",
        rows_in="train",
        unit="image",
        loss="loss (nats per view)",
        flops_of=f"image of {size} x {size} pixels",
        needs="; reading folders of pictures needs Pillow",
        flops=0,  # an image is seen twice
        options=(
            OptionPlan("data", "str", "", data),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
        ),
        parts={
            "usage": f"{FOLDER}/usage.md.jinja",
            "objective": "tasks/image_classification/objective.py.jinja",
            "measure": f"{FOLDER}/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=(
            FilePlan("data.py", f"{FOLDER}/data.py.jinja", roots=()),
            FilePlan("embed.py", f"{FOLDER}/embed.py.jinja", roots=("main",)),
            ANSWERS,
        ),
        tests=TestsPlan(
            imports=("tasks/embedding/tests/imports.py.jinja",),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                f"{FOLDER}/tests/embeddings.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
            ),
        ),
        toy_lr=3e-3,
        uses=(("embed", "picture.jpg more/"),),
        figures=(("validation_found", "found {:.2%}"),),
    )
