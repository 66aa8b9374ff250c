"""The counted work is the arithmetic's: tiles at stride 1/2 cost (2s - 1)^2 windows, neighbourhoods s^2."""

from __future__ import annotations

import pytest

from benchmarks.npa import METHODS, Subject, count, to_markdown
from tests.support.tiny import tiny_unet


def test_flops_are_the_windows() -> None:
    unet = tiny_unet(block_out_channels=(16, 32), norm_num_groups=8, attention_head_dim=8)
    subject = Subject(name="tiny", unet=unet, side=16, channels=4, text_width=16, text_tokens=4)
    rows = count(subject)
    flops = {(row["scale"], row["method"]): row["flops"] for row in rows}
    for scale in (2, 4):
        tiles, nearby, inside = (flops[scale, method] for method in METHODS)
        # but for the time's embedding, which is computed once a pass
        assert tiles / nearby == pytest.approx((2 * scale - 1) ** 2 / scale**2, rel=0.01)
        assert 1.0 < inside / nearby < 1.2
    assert [row["forwards"] for row in rows] == [9, 1, 1, 49, 1, 1]
    assert "| tiny | 4 | neighbourhood | 1 |" in to_markdown(rows, {})
