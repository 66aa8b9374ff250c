"""Canny edges for ControlNets."""

from __future__ import annotations

import torch

from pipeline.imaging.canny import canny_edges


def test_the_outline_of_a_square() -> None:
    pixels = torch.full((3, 64, 64), 0.2)
    pixels[:, 16:48, 16:48] = 0.8
    edges = canny_edges(pixels)
    assert edges.shape == (1, 64, 64)
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    assert edges[0, 20:44, 14:18].amax(1).eq(1).all()
    assert not edges[0, 22:42, 22:42].any()
    assert not edges[0, :12].any()


def test_an_even_picture_has_none() -> None:
    assert not canny_edges(torch.full((3, 32, 32), 0.5)).any()
