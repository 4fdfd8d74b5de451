"""How made images compare with real ones is what scipy and fifty digits say."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import mpmath
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


def by_fifty_digits(a: Features, b: Features) -> float:
    """From the definition, sqrt(A) and sqrt(sqrt(A) B sqrt(A)), where rounding can't be seen."""

    def covariance(x: Features) -> Any:
        rows = mpmath.matrix(x.tolist())
        means = [mpmath.fsum(rows[i, j] for i in range(rows.rows)) / rows.rows
                 for j in range(rows.cols)]  # fmt: skip
        for i in range(rows.rows):
            for j in range(rows.cols):
                rows[i, j] -= means[j]
        return rows.T * rows / (rows.rows - 1), means

    def root(matrix: Any) -> Any:
        values, vectors = mpmath.eigsy(matrix)
        roots = [mpmath.sqrt(max(value, 0)) for value in values]
        return vectors * mpmath.diag(roots) * vectors.T

    with mpmath.workdps(50):
        (of_a, mean_a), (of_b, mean_b) = covariance(a), covariance(b)
        half = root(of_a)
        inner = half * of_b * half
        both = root((inner + inner.T) / 2)
        gap = mpmath.fsum((x - y) ** 2 for x, y in zip(mean_a, mean_b, strict=True))
        trace = mpmath.fsum(
            of_a[i, i] + of_b[i, i] - 2 * both[i, i] for i in range(of_a.rows)
        )  # fmt: skip
        return float(gap + trace)


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


@pytest.mark.parametrize(
    ("counts", "rank"), [((20, 20), None), ((20, 18), 3), ((4, 9), None), ((2, 2), None)]
)
def test_it_is_exact_where_covariances_are_singular(
    quality: ModuleType, counts: tuple[int, int], rank: int | None
) -> None:
    a, b = (features(count, 7, seed, rank) for seed, count in enumerate(counts))
    wanted = by_fifty_digits(a, b)
    assert frechet(quality, a, b) == pytest.approx(wanted, rel=1e-12)
    assert frechet(quality, b, a) == pytest.approx(wanted, rel=1e-12)
    assert frechet(quality, a, a[::-1].copy()) < 1e-10 * wanted


def test_features_of_lower_precision_are_measured_in_float64(quality: ModuleType) -> None:
    a, b = (features(60, 6, seed).astype(np.float32) + np.float32(1000) for seed in (0, 1))
    wanted = by_scipy(a.astype(np.float64), b.astype(np.float64))
    found = quality.frechet(torch.from_numpy(a), torch.from_numpy(b))
    assert found == pytest.approx(wanted, rel=1e-9)


def test_what_has_no_distance_is_refused(quality: ModuleType) -> None:
    a = features(9, 3, 0)
    with pytest.raises(ValueError, match="two at least"):
        frechet(quality, a, a[:1])
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
