"""The libraries whose checkpoints a package may read and write: a row each.

A library's mapping files are in the folder of its name beside this file.
"""

from __future__ import annotations

from pathlib import Path

from codegen.frozen import frozen

HERE = Path(__file__).parent
HUGGINGFACE = "huggingface"


@frozen
class Library:
    """One of them; `owner` is its name as `whose checkpoints?` is answered."""

    name: str  # in a spec, and in load_NAME
    owner: str
    title: str

    @property
    def words(self) -> str:
        """Its name as part of a test's."""
        return self.title.lower().replace(" ", "_")


LIBRARIES = {
    one.name: one
    for one in (
        Library(HUGGINGFACE, "Hugging Face's", "Hugging Face"),
        Library("torchvision", "torchvision's", "torchvision"),
        Library("timm", "timm's", "timm"),
        Library("efficientnet_pytorch", "efficientnet_pytorch's", "efficientnet_pytorch"),
    )
}


def families(library: str) -> list[str]:
    """The names of a library's mapping files."""
    return sorted(path.stem for path in (HERE / library).glob("*.yaml"))
