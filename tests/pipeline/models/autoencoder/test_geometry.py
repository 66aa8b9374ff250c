"""Facts of an autoencoder, counted on diffusers' own modules."""

from __future__ import annotations

import pytest
import torch

from pipeline.models.autoencoder.autoencoder import codec_geometry
from pipeline.models.autoencoder.geometry import CodecGeometry
from tests.support.tiny import tiny_vae


@pytest.mark.parametrize(("levels", "layers", "attention"), [(4, 1, True), (3, 2, False)])
def test_norms_are_those_that_the_networks_hold(levels: int, layers: int, attention: bool) -> None:
    vae = tiny_vae(levels=levels, layers=layers, attention=attention)
    found: CodecGeometry = codec_geometry(dict(vae.config))["codec"]
    for part, count in (("encoder", found.encoder_norms), ("decoder", found.decoder_norms)):
        norms = [one for one in getattr(vae, part).modules() if isinstance(one, torch.nn.GroupNorm)]
        assert count == len(norms)
        assert {norm.num_groups for norm in norms} == {found.norm_groups}


def test_without_norms_there_is_nothing_to_measure() -> None:
    plain = CodecGeometry(encoder_halo=1, decoder_halo=2, window=64)
    assert (plain.encoder_norms, plain.decoder_norms, plain.norm_groups) == (0, 0, 0)
