"""A step of two networks beside the same networks and losses written by hand in PyTorch.

    python -m benchmarks.gan_speed [--repeat 15]

Same sizes, batch and update rule, by turns in one process, one thread; medians of CPU milliseconds.
By hand is as PyTorch's own DCGAN example goes: the discriminator's losses of real and of made
images go backward one by one, and in the generator's update through all of the discriminator.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from benchmarks.sequences_speed import by_turns
from benchmarks.tables import machine, markdown_table, replace_section
from tests.packages import import_package

ROOT = Path(__file__).parent.parent
BATCH = 64


def down(inputs: int, outputs: int, *, norm: bool, bias: bool = False) -> list[nn.Module]:
    """A convolution that halves a map."""
    norms = [nn.BatchNorm2d(outputs)] if norm else []
    return [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=bias), *norms, nn.LeakyReLU(0.2)]


def up(inputs: int, outputs: int, kernel: int = 4, stride: int = 2, around: int = 1) -> list[Any]:
    """A transposed convolution."""
    layer = nn.ConvTranspose2d(inputs, outputs, kernel, stride, around, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


def small() -> tuple[nn.Module, nn.Module]:
    """Those of dcgan_fashion."""
    first = [nn.Flatten(), nn.Linear(64, 3136), nn.BatchNorm1d(3136), nn.ReLU()]
    last = [nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh()]
    generator = nn.Sequential(*first, nn.Unflatten(1, (64, 7, 7)), *up(64, 32), *last)
    halved = [m for a, b in ((1, 32), (32, 64)) for m in down(a, b, norm=False, bias=True)]
    head = [nn.Flatten(), nn.Linear(3136, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)]
    return generator, nn.Sequential(*halved, *head)


def critic() -> tuple[nn.Module, nn.Module]:
    """Those of wgan_gp_fashion."""
    last = nn.ConvTranspose2d(64, 1, 4, 2, 1)
    generator = nn.Sequential(*up(64, 128, 7, 1, 0), *up(128, 64), last, nn.Tanh())
    halved = [m for a, b in ((1, 64), (64, 128)) for m in down(a, b, norm=False, bias=True)]
    return generator, nn.Sequential(*halved, nn.Flatten(), nn.Linear(6272, 1))


def dcgan() -> tuple[nn.Module, nn.Module]:
    """The paper's, of 64 x 64 pixels."""
    last = nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False)
    generator = nn.Sequential(
        *up(100, 512, 4, 1, 0), *up(512, 256), *up(256, 128), *up(128, 64), last, nn.Tanh()
    )
    halved = [m for a in (64, 128, 256) for m in down(a, 2 * a, norm=True)]
    head = nn.Conv2d(512, 1, 4, 1, 0, bias=False)
    return generator, nn.Sequential(*down(3, 64, norm=False), *halved, head, nn.Flatten())


BY_HAND = {
    "dcgan_fashion": small,
    "wgan_gp_fashion": critic,
    "dcgan": dcgan,
}


def step_by_hand(
    generator: nn.Module, discriminator: nn.Module, images: Tensor, latent: int, options: Any
) -> Callable[[], None]:
    """A step of the kind that `options` say."""
    betas = (options.beta1, options.beta2)
    of_g = torch.optim.Adam(generator.parameters(), options.lr, betas, fused=True)
    of_d = torch.optim.Adam(discriminator.parameters(), options.lr, betas, fused=True)
    turns, penalty = getattr(options, "critic_steps", 1), getattr(options, "penalty", 0.0)
    r1 = getattr(options, "r1", 0.0)
    told = F.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def stepped() -> None:
        for _ in range(turns):
            fakes = generator(torch.randn(BATCH, latent, 1, 1))
            of_d.zero_grad()
            if penalty:
                loss = discriminator(fakes.detach()).mean() - discriminator(images).mean()
                mix = torch.rand(BATCH, 1, 1, 1)
                between = (mix * images + (1 - mix) * fakes.detach()).requires_grad_()
                scores = discriminator(between)
                (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
                loss = loss + penalty * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
                torch.autograd.backward(loss)
            else:
                real = images.requires_grad_(r1 > 0)
                scores = discriminator(real)
                loss = told(scores, ones)
                if r1:
                    (slope,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
                    loss = loss + r1 / 2 * slope.square().sum() / BATCH
                torch.autograd.backward(loss)
                torch.autograd.backward(told(discriminator(fakes.detach()), zeros))
            of_d.step()
        of_g.zero_grad()
        scores = discriminator(fakes)
        torch.autograd.backward(-scores.mean() if penalty else told(scores, ones))
        of_g.step()

    return stepped


def sides(name: str, folder: Path) -> list[Callable[[], object]]:
    """A step of a committed spec's package, and the same by hand."""
    spec = yaml.safe_load((ROOT / f"specs/{name}.yaml").read_text())
    spec["train"].pop("ema", None)  # which by hand there is none of
    train, options = import_package(folder, spec, "train", "options")
    image = spec["model"]["image"]
    pixels = np.random.default_rng(0).integers(
        0, 256, (4 * BATCH, image["size"], image["size"], image["channels"]), np.uint8
    )
    np.savez(folder / "images.npz", images=pixels)
    given = ["--data", str(folder / "images.npz"), "--out", str(folder / "out")]
    run = train.prepare(options.parse_options([*given, "--batch", str(BATCH)]))
    images = torch.from_numpy(pixels[:BATCH].transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1
    generator, discriminator = BY_HAND[name]()
    counts = [sum(p.numel() for p in m.parameters()) for m in (generator, discriminator)]
    ours = [run.model.generator, run.model.discriminator]
    assert counts == [sum(p.numel() for p in m.parameters()) for m in ours], name
    latent = run.config.latent
    by_hand = step_by_hand(generator, discriminator, images, latent, run.options)
    return [lambda: train.train_step(run, 1.0), by_hand]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=15, help="steps of each that are timed")
    repeat = parser.parse_args().repeat
    torch.set_num_threads(1)
    rows = []
    for name in BY_HAND:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = by_turns(sides(name, Path(folder)), repeat)
        rows.append([f"`{name}`", f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}"])
        print(*rows[-1])
    header = ["", "ms a step", "by hand", "ratio"]
    replace_section("gan speed", f"{markdown_table(header, rows)}\n\n{machine()}, one thread.")


if __name__ == "__main__":
    main()
    os._exit(0)
