# Made from specs/wgan_gp_fashion.yaml; make it again: tgen build specs/wgan_gp_fashion.yaml
"""What the two networks come to while they train, and what goes wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.func import functional_call

from .data import Batch
from .generate import generated, noise_of
from .grids import grid, write_png
from .model import Model
from .options import Options
from .process import RANK, WORLD, in_step, of_all_ranks
from .quality import distinctness, frechet, shrunk, variety

GRID = 8  # images in a row of a picture of samples
ALIKE = 0.1  # of the distances of real images: below, generated ones are all the same
FALLS = 0.95  # of the lowest distance before: below, all goes well
LOST = 0.55  # of pairs told apart: the discriminator might as well guess
NEAR = 10  # times the distance of two halves of real images: then it may


@dataclass(frozen=True)
class Seen:
    """Real and generated images of an evaluation: features (N, D), and scores of some (M,)."""

    real: Tensor
    made: Tensor
    real_scores: Tensor
    made_scores: Tensor

    @cached_property
    def figures(self) -> dict[str, float]:
        """What the log says."""
        return {
            "frechet": frechet(self.made, self.real),
            "variety": self.variety(),
            "distinctness": distinctness(self.made, self.real),
            "told_apart": told_apart(self.real_scores, self.made_scores),
        }

    def variety(self) -> float:
        return variety(self.made, self.real)

    def troubles(self, best: float) -> dict[str, str]:
        """What goes wrong, by its name, and what may help; `best`: the lowest distance before."""
        figures, found = self.figures, dict[str, str]()
        apart, distance = figures["told_apart"], figures["frechet"]
        if distance < FALLS * best:
            return found
        halves = self.real[::2], self.real[1::2]
        if apart < LOST and len(halves[1]) and distance > NEAR * frechet(*halves):
            found["lost"] = (
                f"the discriminator scores real images above generated ones in {apart:.0%} of "
                "pairs, and guessing does in 50%: nothing can be learned from it; try a higher "
                "--discriminator-lr, or in the spec more critic_steps or a wider discriminator"
            )
        if figures["variety"] < ALIKE:
            found["collapsed"] = (
                "the generator has collapsed: its images are "
                f"{figures['variety']:.1%} as far apart as real ones; go back to "
                "best.safetensors, and try a lower --lr, or in the spec r1"
            )
        elif figures["distinctness"] < ALIKE:
            found["repeats"] = (
                "the generator repeats itself: each image has one that is "
                f"{figures['distinctness']:.1%} as far from it as real ones are; go back to "
                "best.safetensors, and try a lower --lr, or in the spec r1"
            )
        return found


@dataclass
class Watch:
    """Says what goes wrong in a run when it begins to."""

    said: set[str] = field(default_factory=set)

    def warn(self, step: int, troubles: dict[str, str]) -> None:
        for name, sentence in troubles.items():
            if name not in self.said:
                print(f"warning: step {step}: {sentence}", file=sys.stderr)
        self.said = set(troubles)


def told_apart(real: Tensor, made: Tensor) -> float:
    """Of all pairs of a real and a generated image, those where the real one scores higher."""
    return 0.5 + 0.5 * (real[:, None] - made).sign().mean().item()


@torch.no_grad()
def look(
    model: Model,
    batches: Iterable[Batch],
    options: Options,
    device: torch.device,
    signals: Sequence[int] = (),
) -> Seen:
    """Images that are held out and --samples generated ones, of all ranks."""
    for buffer in model.buffers() if WORLD > 1 else ():
        dist.broadcast(buffer, 0)  # statistics of the first rank's batches, which are those saved
    judge = model.discriminator
    made: list[Tensor] = []
    made_scores: list[Tensor] = []
    noise = noise_of(model.config, options.samples, options.seed)[RANK::WORLD]
    for images in in_step(generated(model, noise, options.batch), signals):
        made.append(shrunk(images))
        made_scores.append(scores(judge, images))
    real, real_scores = [made[0][:0]], [made_scores[0][:0]]  # a rank may have none held out
    for batch in batches:
        images = batch.to(device).images
        real.append(shrunk(images))
        if len(real_scores) <= len(made):
            real_scores.append(scores(judge, images))
    parts = (real, made, real_scores, made_scores)
    return Seen(*(of_all_ranks(torch.cat(part).cpu()) for part in parts))


def scores(judge: nn.Module, images: Tensor) -> Tensor:
    """Of each image (B,), by the statistics of its batch as in training; none of them is kept.

    One alone has none, and is judged by those that are kept.
    """
    buffers = {name: buffer.clone() for name, buffer in judge.named_buffers()}
    judge.train(len(images) > 1)
    found: Tensor = functional_call(judge, buffers, (images,))
    judge.eval()
    return found.float().mean(1)  # of all patches


def draw_samples(model: Model, path: Path, options: Options) -> None:
    """Images of the same noise every time, if Pillow is installed."""
    if find_spec("PIL") is None:
        return
    made = generated(model, noise_of(model.config, GRID**2, options.seed), options.batch)
    write_png(path, grid(torch.cat(list(made)), GRID))
