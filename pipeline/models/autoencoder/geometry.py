"""What a plan must know of an autoencoder to run it in windows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecGeometry:
    """What a plan must know of an autoencoder, beside its factor."""

    encoder_halo: int
    """latent pixels round a window whose pixels can still change the window's latents"""
    decoder_halo: int
    """latent pixels round a window that can still change the window's pixels"""
    window: int
    """latent pixels a side that it is run on at once, without its halo"""
    encoder_norms: int = 0
    """group norms of the encoder, each over the whole of what it is given"""
    decoder_norms: int = 0
    norm_groups: int = 0
    """channel groups of each of them"""
