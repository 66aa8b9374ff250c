"""The measures of opensr-test: numbers of the package itself, and closed forms."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from pipeline.imaging.invention import BORDER, Invention, difference, matched, measure, resized, share_out

NAMES = ("reflectance", "spectral", "spatial", "synthesis", "ha_metric", "om_metric", "im_metric")
# opensr-test 1.3.3, Metrics().compute(lr, sr, hr) of float64 tensors of these very arrays
PUBLISHED: dict[tuple[int, str], tuple[float, ...]] = {
    (1, "half"): (0.0052575, 0.5295099, 0.0282843, 0.0095989, 0.0555786, 0.2724849, 0.6719365),
    (1, "invented"): (0.0083475, 0.9113275, 0.0447214, 0.0234149, 0.7300451, 0.1096975, 0.1602574),
    (1, "biased"): (0.0434870, 0.4227443, 0.0400000, 0.0161970, 0.1054989, 0.0504287, 0.8440724),
    (1, "moved"): (0.0163816, 1.3544043, 0.1000000, 0.0135389, 0.0318495, 0.0326170, 0.9355336),
    (2, "half"): (0.0040193, 0.2952126, 0.0824621, 0.0049164, 0.0623194, 0.3656972, 0.5719834),
    (2, "invented"): (0.0077833, 1.0239813, 0.0894427, 0.0202508, 0.8763941, 0.0525961, 0.0710098),
    (2, "biased"): (0.0433195, 0.3759619, 0.0632455, 0.0124643, 0.5146705, 0.0448163, 0.4405132),
    (2, "moved"): (0.0190103, 1.4118295, 0.6603030, 0.0079261, 0.1175230, 0.0469091, 0.8355679),
    (3, "half"): (0.0104498, 1.4647204, 0.0200000, 0.0189097, 0.0381911, 0.0728134, 0.8889955),
    (3, "invented"): (0.0157814, 2.2661434, 0.0447214, 0.0297339, 0.6378159, 0.1582447, 0.2039394),
    (3, "biased"): (0.0432581, 0.8587954, 0.0200000, 0.0234242, 0.0442867, 0.0400427, 0.9156706),
    (3, "moved"): (0.0140201, 1.5440715, 0.1166190, 0.0224637, 0.0232681, 0.0255140, 0.9512178),
}


def scene(seed: int, bands: int, shape: tuple[int, int], scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Input and truth."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0] * scale, 0 : shape[1] * scale]
    waves = [0.1 * np.sin(x / 7 + band) * np.cos(y / (5 + band)) for band in range(bands)]
    truth = 0.3 + np.stack(waves) + 0.05 * ((x // 13 + y // 11) % 2) + 0.02 * rng.random((bands, *x.shape))
    low = truth.reshape(bands, shape[0], scale, shape[1], scale).mean(axis=(2, 4))
    return low, truth


def results(low: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    noise = 0.03 * (np.random.default_rng(seed).random(truth.shape) - 0.5)
    smooth = resized(low, truth.shape[1:])
    return {
        "half": (truth + smooth) / 2,
        "invented": smooth + 3 * noise,
        "biased": truth * 1.1 + 0.01 + noise,
        "moved": np.roll(truth, (1, 2), (1, 2)),
    }


SCENES = [(1, 3, (24, 28), 4), (2, 4, (40, 36), 2), (3, 5, (12, 14), 8)]


def window(picture: np.ndarray, scale: int) -> np.ndarray:
    border = BORDER // scale
    return picture[:, border:-border, border:-border]


@pytest.mark.parametrize("settings", SCENES)
def test_numbers_are_those_of_the_package(settings: tuple[int, int, tuple[int, int], int]) -> None:
    """To 1e-5 of shares, angles and pixels: it counts a picture's shift in 1/50 pixel, and moves it in float32."""
    seed, _, _, scale = settings
    low, truth = scene(*settings)
    for name, made in results(low, truth, seed).items():
        found = measure(window(low, scale), window(made, 1), window(truth, 1))
        ours = [getattr(found, one) for one in NAMES]
        np.testing.assert_allclose(ours, PUBLISHED[seed, name], rtol=0, atol=1e-5, err_msg=name)


def test_what_is_true_missing_and_invented() -> None:
    low, truth = scene(1, 3, (24, 28), 4)
    rng, smooth = np.random.default_rng(9), resized(low, truth.shape[1:])
    checks = {"im_metric": truth, "om_metric": smooth, "ha_metric": smooth + 0.1 * (rng.random(truth.shape) - 0.5)}
    for name, made in checks.items():
        found = dataclasses.asdict(measure(low, made, truth))
        assert max(NAMES[4:], key=found.__getitem__) == name
        assert found["ha_metric"] + found["om_metric"] + found["im_metric"] == pytest.approx(1)


def test_corners_of_the_scores_in_closed_form() -> None:
    """On the truth: d_im = 0, d_om = 1, so the scores are 0, 1 and 1; two pixels, of which the larger counts."""
    improved, omitted, invented = share_out(np.array([0.1, 0.2]), np.zeros(2), np.array([0.1, 0.2]))
    total = 1 + 2 * math.exp(-4)
    assert (improved, omitted, invented) == pytest.approx((1 / total, math.exp(-4) / total, math.exp(-4) / total))


def test_invented_where_input_and_truth_are_one() -> None:
    """Infinitely far from both: hallucination, without a warning."""
    to_truth, off = np.zeros(8), np.full(8, 0.5)
    assert share_out(to_truth, off, off) == pytest.approx((0, 0, 1))


def test_equal_pictures_have_nothing_to_share_out() -> None:
    even = np.full((3, 8, 8), 0.5)
    found = measure(even, even.repeat(4, 1).repeat(4, 2), even.repeat(4, 1).repeat(4, 2))
    assert (found.reflectance, found.synthesis) == (0, 0)
    assert math.isnan(found.spatial)
    assert math.isnan(found.im_metric)


def test_holes_are_in_no_figure() -> None:
    low, truth = scene(4, 3, (24, 24), 2)
    made = results(low, truth, 4)["half"]
    valid = np.ones(truth.shape[1:], bool)
    valid[:, :16] = False
    assert isinstance(measure(low, made, truth, valid), Invention)
    spoiled = np.where(valid, made, made + 0.001)
    first, second = measure(low, made, truth, valid), measure(low, spoiled, truth, valid)
    # the columns beside the hole are made of it, where pictures are resized
    assert second.reflectance == pytest.approx(first.reflectance, abs=3e-5)
    assert second.im_metric == pytest.approx(first.im_metric, abs=0.01)
    assert first.reflectance != pytest.approx(measure(low, made, truth).reflectance)


def test_histograms_are_matched_where_both_are_data() -> None:
    rng = np.random.default_rng(0)
    values, like = rng.random((2, 30, 40))
    known = rng.random((30, 40)) > 0.3
    made = matched(values, like, known)
    np.testing.assert_allclose(np.sort(made[known]), np.sort(like[known]))
    assert (np.argsort(made[known]) == np.argsort(values[known])).all()


def test_differences_are_normalised() -> None:
    first, second = np.array([[[3.0]], [[0.0]]]), np.array([[[1.0]], [[0.0]]])
    assert difference(first, second)[0, 0] == pytest.approx(0.25)


def test_resizing_is_linear() -> None:
    """A ramp stays one but at its ends, both ways; and a wider triangle sees more than its own square."""
    ramp = np.broadcast_to(np.arange(12.0), (1, 8, 12))
    np.testing.assert_allclose(resized(ramp, (16, 24))[0, 5, 1:-1], np.arange(22) / 2 + 0.25)
    np.testing.assert_allclose(resized(ramp, (4, 6))[0, 1, 1:-1], np.arange(4) * 2 + 2.5)
    dot = np.zeros((1, 8, 8))
    dot[0, 4, 4] = 1
    assert (resized(dot, (4, 4)) > 0).sum() == 4
