"""Which tensors a conversion reads, of conversions that are written out."""

from __future__ import annotations

import torch

from pipeline.models.files.tracing import Traced, origins, trace

SHAPES = {"q": (4, 3), "k": (4, 3), "v": (4, 3), "b": (6,), "left": (2,)}


def test_shapes_without_data() -> None:
    found = trace(SHAPES)
    assert {name: tuple(one.shape) for name, one in found.items()} == SHAPES
    assert all(one.device.type == "meta" for one in found.values())
    assert {name: origins([one]) for name, one in found.items()} == {name: {name} for name in SHAPES}
    assert trace({}) == {}


def test_what_is_made_of_one_knows_it() -> None:
    given = trace(SHAPES)
    for made in (
        given["q"][1:3],
        given["q"].T,
        given["q"].reshape(2, 6),
        given["q"].clone(),
        given["q"].contiguous(),
        given["q"].to(torch.float16),
        given["q"] * 2,
        given["q"].unsqueeze(0)[..., 0],
    ):
        assert origins([made]) == {"q"}


def test_parts_of_one_all_know_it() -> None:
    """As in_proj.chunk(3), which is how attention's three projections are parted."""
    given = trace(SHAPES)
    for parts in (given["b"].chunk(3), given["b"].split(2), given["b"].unbind(), tuple(given["b"].view(6))):
        assert len(parts) in (3, 6)
        assert [origins([part]) for part in parts] == [{"b"}] * len(parts)


def test_what_is_made_of_two_knows_both() -> None:
    given = trace(SHAPES)
    assert origins([given["q"] + given["k"]]) == {"q", "k"}
    assert origins([torch.add(given["q"], given["k"]).mul(given["v"])]) == {"q", "k", "v"}
    assert origins([torch.add(given["q"], other=given["k"])]) == {"q", "k"}
    assert origins([torch.cat([given["q"], given["k"], torch.zeros(1, 3, device="meta")])]) == {"q", "k"}
    assert origins([torch.stack((given["v"], given["k"]))]) == {"v", "k"}


def test_a_whole_conversion() -> None:
    """What is left over is what no tensor of the outcome was made of."""
    given = trace(SHAPES)
    made = {"query": given["q"].T, "sum": given["k"] + given["v"], "plain": torch.zeros(2)}
    assert set(SHAPES) - origins(made.values()) == {"b", "left"}


def test_names_do_not_leak_into_what_was_there() -> None:
    given = trace(SHAPES)
    assert origins([given["q"] + given["k"]]) == {"q", "k"}
    assert origins([given["q"]]) == {"q"}
    assert Traced.origins == frozenset()
    assert origins([torch.zeros(1)]) == set()
