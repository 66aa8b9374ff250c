"""Measures of likeness, against another library's figures, closed forms and planted faults."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from benchmarks.likeness import consistency, gmsd, haarpsi, radial_power, seam_sums, spectrum_distance


@pytest.fixture(scope="module")
def astronaut() -> torch.Tensor:
    return torch.from_numpy(data.astronaut().astype(np.float32) / 255).permute(2, 0, 1)


@pytest.fixture(scope="module")
def blurred(astronaut: torch.Tensor) -> torch.Tensor:
    small = torch.nn.functional.avg_pool2d(astronaut[None], 4)
    return torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic")[0].clamp(0, 1)


class TestAgainstAnotherLibrary:
    """Figures of piq 0.8.0 for these very pictures; it needs torchvision, so it is not installed for the tests."""

    @pytest.mark.parametrize(("bands", "expected"), [(3, 0.7602681517601013), (1, 0.6908991932868958)])
    def test_haarpsi(self, astronaut: torch.Tensor, blurred: torch.Tensor, bands: int, expected: float) -> None:
        assert haarpsi(blurred[:bands], astronaut[:bands]) == pytest.approx(expected, abs=5e-6)

    @pytest.mark.parametrize(("bands", "expected"), [(3, 0.10686218738555908), (1, 0.10321258753538132)])
    def test_gmsd(self, astronaut: torch.Tensor, blurred: torch.Tensor, bands: int, expected: float) -> None:
        assert gmsd(blurred[:bands], astronaut[:bands]) == pytest.approx(expected, abs=5e-6)


def test_an_image_is_like_itself(astronaut: torch.Tensor) -> None:
    assert gmsd(astronaut, astronaut) == 0
    assert haarpsi(astronaut, astronaut) == pytest.approx(1, abs=1e-4)
    assert spectrum_distance(astronaut, astronaut) == 0


class TestSpectrum:
    def test_half_the_contrast_is_six_decibels(self) -> None:
        noise = torch.rand(1, 128, 128, generator=torch.Generator().manual_seed(0))
        assert spectrum_distance(noise / 2, noise) == pytest.approx(20 * np.log10(2), abs=0.01)

    def test_a_wave_stands_at_its_frequency(self) -> None:
        wave = 0.5 + 0.4 * torch.sin(2 * torch.pi * 20 * torch.arange(128) / 128).expand(1, 128, 128)
        assert radial_power(wave).argmax() + 1 == 20

    def test_blur_and_invented_noise_both_count(self, astronaut: torch.Tensor, blurred: torch.Tensor) -> None:
        noise = torch.randn(astronaut.shape, generator=torch.Generator().manual_seed(0)) * 0.1
        assert spectrum_distance(blurred, astronaut) > 3
        assert spectrum_distance(astronaut + noise, astronaut) > 3


def test_consistency_is_the_psnr_of_the_averaged_result() -> None:
    low = torch.full((3, 8, 8), 0.5)
    result = torch.full((3, 32, 32), 0.5) + 0.01
    assert consistency(result, low) == pytest.approx(40, abs=1e-3)
    checkered = 0.5 + 0.3 * (2 * (torch.arange(32) % 2) - 1).expand(3, 32, 32)
    assert consistency(checkered, low) == pytest.approx(120)


class TestSeams:
    def test_noise_has_none(self) -> None:
        noise = torch.rand(3, 512, 512, generator=torch.Generator().manual_seed(0))
        across, beside = seam_sums(noise, [128, 256, 384], [128, 256, 384], 4)
        assert across / beside == pytest.approx(1, abs=0.02)

    def test_a_step_at_a_border_shows(self) -> None:
        noise = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0)) * 0.1
        noise[:, 128:] += 0.05
        across, beside = seam_sums(noise, [128], [], 4)
        assert across / beside > 1.5

    def test_the_phase_of_enlarging_does_not(self) -> None:
        blocks = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(1)).repeat_interleave(4, 1)
        across, beside = seam_sums(blocks.repeat_interleave(4, 2), list(range(64, 256, 64)), [], 4)
        assert across / beside == pytest.approx(1, abs=0.2)

    def test_edges_of_the_picture_are_no_borders(self) -> None:
        assert seam_sums(torch.rand(3, 64, 64), [0, 64], [0, 64], 4) == (0.0, 0.0)
