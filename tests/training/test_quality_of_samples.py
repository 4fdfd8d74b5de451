"""How made images compare with real ones is what scipy says."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import linalg, stats
from scipy.spatial import distance

from tests.packages import import_package
from tests.training.two_players import players

Features = NDArray[np.float64]


@pytest.fixture(scope="module")
def quality(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    (made,) = import_package(tmp_path_factory.mktemp("samples"), players("some"), "quality")
    return made


def features(count: int, width: int, seed: int, rank: int | None = None) -> Features:
    """Correlated numbers of many sizes; of a `rank` below `width`, their covariance is singular."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(count, rank or width)) * np.geomspace(1, 30, rank or width)
    turned: Features = mixed @ random.normal(size=(rank or width, width))
    return turned + random.normal(size=width)


def by_scipy(a: Features, b: Features) -> float:
    """As the paper's own code has it: the root of a matrix."""
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(gap + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root))


def by_eigenvalues(a: Features, b: Features) -> float:
    """As torchmetrics has it: eigenvalues of the product of both covariances."""
    values = linalg.eigvals(np.cov(a.T) @ np.cov(b.T))
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(gap + np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * np.sqrt(values).real.sum())


def turned(spread: list[float], count: int, seed: int, mean: float) -> Features:
    """So many rows whose covariance has these eigenvalues, along axes that are always the same."""
    axes = np.linalg.qr(np.random.default_rng(9).normal(size=(len(spread), len(spread))))[0]
    rows = np.random.default_rng(seed).normal(size=(count, len(spread)))
    kept = [index for index, value in enumerate(spread) if value]
    alone = np.linalg.qr((rows - rows.mean(0))[:, kept])[0]  # orthonormal, and of mean 0
    scaled = alone * np.sqrt((count - 1) * np.array(spread)[kept])
    return np.asarray(scaled @ axes.T[kept] + mean)


def frechet(quality: ModuleType, a: Features, b: Features) -> float:
    found: float = quality.frechet(torch.from_numpy(a), torch.from_numpy(b))
    return found


@pytest.mark.parametrize("width", [1, 5, 40])
def test_a_frechet_distance_is_that_of_scipy_and_of_torchmetrics(
    quality: ModuleType, width: int
) -> None:
    a, b = features(200, width, 0), features(150, width, 1)
    if width == 1:  # where a covariance is a number
        spread = a.std(ddof=1), b.std(ddof=1)
        wanted = float((a.mean() - b.mean()) ** 2 + (spread[0] - spread[1]) ** 2)
        assert frechet(quality, a, b) == pytest.approx(wanted, rel=1e-9)
        return
    assert frechet(quality, a, b) == pytest.approx(by_scipy(a, b), rel=1e-9)
    assert frechet(quality, a, b) == pytest.approx(by_eigenvalues(a, b), rel=1e-9)


@pytest.mark.parametrize("counts", [(20, 30), (4, 5)])
def test_it_is_exact_where_covariances_are_singular(
    quality: ModuleType, counts: tuple[int, int]
) -> None:
    spreads = [4.0, 1e-8, 900.0, 0, 0, 0, 0], [1.0, 0, 400.0, 0, 25.0, 1e-10, 0]
    a, b = (
        turned(*pair, seed, seed) for seed, pair in enumerate(zip(spreads, counts, strict=True))
    )
    roots = np.sqrt(spreads)
    wanted = 7 + ((roots[0] - roots[1]) ** 2).sum()  # they have their axes in common
    assert frechet(quality, a, b) == pytest.approx(wanted, rel=1e-9)
    assert frechet(quality, b, a) == pytest.approx(wanted, rel=1e-9)
    assert frechet(quality, a, a[::-1].copy()) < 1e-10


def test_it_is_exact_for_two_images_of_each(quality: ModuleType) -> None:
    a, b = features(2, 50, 0), features(2, 50, 1)
    along = [(pair[1] - pair[0]) / np.sqrt(2) for pair in (a, b)]  # covariances are their squares
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum()
    wanted = gap + along[0] @ along[0] + along[1] @ along[1] - 2 * abs(along[0] @ along[1])
    assert frechet(quality, a, b) == pytest.approx(wanted, rel=1e-12)
    assert frechet(quality, a[:1], b[:1]) == pytest.approx(((a[0] - b[0]) ** 2).sum())


def test_features_of_lower_precision_are_measured_in_float64(quality: ModuleType) -> None:
    a, b = (features(60, 6, seed).astype(np.float32) + np.float32(1000) for seed in (0, 1))
    wanted = by_scipy(a.astype(np.float64), b.astype(np.float64))
    found = quality.frechet(torch.from_numpy(a), torch.from_numpy(b))
    assert found == pytest.approx(wanted, rel=1e-9)


def test_what_has_no_distance_is_refused(quality: ModuleType) -> None:
    a = features(9, 3, 0)
    with pytest.raises(ValueError, match="9 and 0 images have no distance"):
        frechet(quality, a, a[:0])
    a[0, 0] = np.nan
    with pytest.raises(ValueError, match="no finite numbers"):
        frechet(quality, a, features(9, 3, 1))


def test_shrunk_images_are_means_of_their_parts(quality: ModuleType) -> None:
    images = np.random.default_rng(0).random((3, 2, 32, 16), dtype=np.float32)
    parts = images.reshape(3, 2, 8, 4, 8, 2).mean((3, 5)).reshape(3, -1)
    np.testing.assert_allclose(quality.shrunk(torch.from_numpy(images)), parts, atol=1e-6)
    small = torch.rand(2, 1, 5, 3)
    assert torch.equal(quality.shrunk(small), small.flatten(1))


def test_variety_is_made_of_the_distances_of_all_pairs(quality: ModuleType) -> None:
    made, real = features(30, 5, 0).astype(np.float32), features(40, 5, 1).astype(np.float32)
    wanted = distance.pdist(made).mean() / distance.pdist(real).mean()
    found = quality.variety(torch.from_numpy(made), torch.from_numpy(real))
    assert found == pytest.approx(wanted, rel=1e-5)
    nearest = []
    for rows in (made, real[np.linspace(0, 39, 30).round().astype(int)]):
        apart = distance.squareform(distance.pdist(rows)) + np.diag([np.inf] * 30)
        nearest.append(apart.min(1).mean())
    found = quality.distinctness(torch.from_numpy(made), torch.from_numpy(real))
    assert found == pytest.approx(nearest[0] / nearest[1], rel=1e-5)


def test_figures_of_many_images_are_those_of_a_thousand_from_all_over(quality: ModuleType) -> None:
    rows = torch.randn(5000, 2)
    some = rows[np.linspace(0, 4999, 1000).round()]
    assert torch.equal(quality.some(rows), some)
    assert quality.variety(rows, rows) == 1


def test_class_entropy_is_that_of_the_mean_of_all_guesses(quality: ModuleType) -> None:
    likely = np.random.default_rng(0).dirichlet(np.ones(7) / 3, 50)
    found = quality.class_entropy(torch.from_numpy(likely))
    assert found == pytest.approx(stats.entropy(likely.mean(0)), rel=1e-9)
    assert quality.confidence(torch.from_numpy(likely)) == pytest.approx(likely.max(1).mean())
