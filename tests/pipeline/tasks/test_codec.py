"""Boxes through a made-up autoencoder, window by window: where each window lies, and what surrounds it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.imaging.moments import moments
from pipeline.models.families import analytic
from pipeline.tasks.codec import Codec, decode_box, encode_box, measure_box
from storage.box import Box, cells
from tests.support.geometries import altered

CANVAS = Box(top=0, left=0, height=20, width=34)
BOX = Box(top=7, left=10, height=9, width=21)
GEOMETRY = altered(analytic.GEOMETRY, channels=3, factor=2, codec={"window": 8}, encoder_halo=2, decoder_halo=3)
PIXELS = torch.rand(3, 40, 68, generator=torch.Generator().manual_seed(0))
LATENTS = np.random.default_rng(0).normal(size=(3, 20, 34)).astype(np.float32)


def test_windows_side_by_side_row_by_row() -> None:
    found = list(cells(BOX, 8))
    assert [(one.top, one.left) for one in found] == [(7, 10), (7, 18), (7, 26), (15, 10), (15, 18), (15, 26)]
    assert [one.shape for one in found] == [(8, 8), (8, 8), (8, 5), (1, 8), (1, 8), (1, 5)]


def mean_of_near(values: torch.Tensor) -> torch.Tensor:
    """[1, c, y, x]: the mean over the two nearest pixels each way; what is cut off is not there."""
    return torch.nn.functional.avg_pool2d(values, 5, stride=1, padding=2, count_include_pad=False)


def test_encoding_in_windows_with_enough_surroundings_is_encoding_it_whole() -> None:
    asked: list[Box] = []

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return mean_of_near(torch.nn.functional.avg_pool2d(pixels, 2))

    def read(box: Box) -> torch.Tensor:
        asked.append(box)
        return PIXELS[:, *box.scaled(2).slices]

    found = encode_box(read, encode, GEOMETRY, CANVAS, BOX)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, encode(PIXELS[None])[0][:, *BOX.slices].numpy(), rtol=1e-5)
    assert asked == [cell.grown(2, CANVAS) for cell in cells(BOX, 8)]


def test_decoding_in_windows_with_enough_surroundings_is_decoding_it_whole() -> None:
    asked: list[Box] = []

    def decode(latents: torch.Tensor) -> torch.Tensor:
        return mean_of_near(latents).repeat_interleave(2, 2).repeat_interleave(2, 3)

    def read(box: Box) -> np.ndarray:
        asked.append(box)
        return LATENTS[:, *box.slices]

    found = decode_box(read, decode, GEOMETRY, CANVAS, BOX)
    assert found.shape == (3, 18, 42)
    expected = decode(torch.from_numpy(LATENTS)[None])[0][:, *BOX.scaled(2).slices]
    torch.testing.assert_close(found, expected)
    assert asked == [cell.grown(3, CANVAS) for cell in cells(BOX, 8)]


def test_of_a_box_no_more_is_encoded_than_is_wanted() -> None:
    wanted, asked = [Box(top=8, left=12, height=3, width=5)], list[Box]()

    def read(box: Box) -> torch.Tensor:
        asked.append(box)
        return PIXELS[:, *box.scaled(2).slices]

    found = encode_box(read, lambda pixels: pixels[..., ::2, ::2], GEOMETRY, CANVAS, BOX, wanted)
    assert asked == [wanted[0].grown(2, CANVAS)]
    expected = np.zeros((3, *BOX.shape), np.float32)
    expected[:, 1:4, 2:7] = PIXELS[:, 16:22:2, 24:34:2].numpy()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("around", [None, torch.full((3, 18, 42), 7.0)])
def test_of_a_box_no_more_is_decoded_than_is_wanted(around: torch.Tensor | None) -> None:
    wanted, asked = [Box(top=8, left=12, height=3, width=5)], list[Box]()

    def read(box: Box) -> np.ndarray:
        asked.append(box)
        return LATENTS[:, *box.slices]

    def decode(latents: torch.Tensor) -> torch.Tensor:
        return latents.repeat_interleave(2, 2).repeat_interleave(2, 3)

    found = decode_box(read, decode, GEOMETRY, CANVAS, BOX, wanted, around)
    assert asked == [wanted[0].grown(3, CANVAS)]
    expected = torch.full((3, 18, 42), 0.0 if around is None else 7.0)
    expected[:, 2:8, 4:14] = torch.from_numpy(LATENTS[:, 8:11, 12:17].repeat(2, 1).repeat(2, 2))
    torch.testing.assert_close(found, expected)


def test_moments_of_a_box_are_those_of_its_windows() -> None:
    seen: list[tuple[Box, Box]] = []

    def measure(window: torch.Tensor, wide: Box, cell: Box) -> Any:
        seen.append((wide, cell))
        assert window.shape == (1, 3, *wide.shape)
        return moments(window[0][:, *cell.within(wide)])

    found = measure_box(lambda box: torch.from_numpy(LATENTS[:, *box.slices]), measure, GEOMETRY, 1, CANVAS, BOX)
    inside = LATENTS[:, *BOX.slices].astype(np.float64)
    np.testing.assert_allclose(found.mean, inside.mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found.variance(), inside.var((1, 2)), rtol=1e-6)
    assert seen == [(cell.grown(1, CANVAS), cell) for cell in cells(BOX, 8)]


class Norms:
    """Notes what it is given and asked for."""

    def __init__(self, part: str) -> None:
        self.part, self.notes = part, []

    @contextlib.contextmanager
    def given(self, statistics: Any) -> Iterator[None]:
        self.notes.append(f"given {statistics}")
        yield
        self.notes.append("taken back")

    def measure(self, run: Any, statistics: Any, shape: tuple[int, int], inside: Any) -> str:
        self.notes.append(run())
        return f"{self.part} {statistics} {shape} {inside}"

    def collect(self, run: Any) -> str:
        self.notes.append(run())
        return f"{self.part} collected"


class Model:
    geometry = GEOMETRY

    def __init__(self) -> None:
        self.norms = {part: Norms(part) for part in ("encoder", "decoder")}

    def encode(self, what: Any) -> str:
        return f"encoded {what}"

    def decode(self, what: Any) -> str:
        return f"decoded {what}"

    def predict(self, *_: Any) -> None: ...

    def embed(self, *_: Any) -> None: ...


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def codec(model: Model) -> Codec:
    @contextlib.contextmanager
    def lend() -> Iterator[Any]:
        yield model

    return Codec(lend)


def test_statistics_go_to_the_part_that_runs(model: Model, codec: Any) -> None:
    assert codec.encode("p") == "encoded p"
    assert codec.decode("z") == "decoded z"
    assert model.norms["encoder"].notes == model.norms["decoder"].notes == []
    assert codec.encode("p", "s") == "encoded p"
    assert model.norms["encoder"].notes == ["given s", "taken back"]
    assert codec.decode("z", "t") == "decoded z"
    assert model.norms["decoder"].notes == ["given t", "taken back"]
    assert len(model.norms["encoder"].notes) == 2


@pytest.mark.parametrize(("part", "ran"), [("encoder", "encoded w"), ("decoder", "decoded w")])
def test_measuring_runs_the_part_whose_norms_they_are(model: Model, codec: Any, part: str, ran: str) -> None:
    wide, box = Box(top=4, left=6, height=9, width=12), Box(top=5, left=9, height=3, width=4)
    found = codec.measure(part, "w", "s", wide, box)
    assert found == f"{part} s (9, 12) {(slice(1, 4), slice(3, 7))}"
    assert codec.collect(part, "w") == f"{part} collected"
    assert model.norms[part].notes == [ran, ran]
