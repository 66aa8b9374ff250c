"""Training at toy size: what each part's script is given."""

from __future__ import annotations

from typing import Any

WIDTHS = (16, 32, 32)
COMMON: dict[str, Any] = {"batch": 2, "rate": 1e-3, "seed": 0, "device": "cpu"}
PARTS: dict[str, dict[str, Any]] = {
    "train_autoencoder": {"crop": 32},
    "train_restoration": {"side": 12},
    "train_tagger": {"side": 32, "calibration": 32},
    "train_denoiser": {"side": 12, "pairs": 16, "widths": WIDTHS},
    "train_controlnet": {"side": 12, "pairs": 16, "widths": WIDTHS},
    "train_generator": {"side": 16, "crops": 16, "widths": WIDTHS, "own_widths": (16, 16, 32)},
    "train_textures": {"side": 12, "pairs": 16, "width": 8, "widths": WIDTHS},
}
"""in the order in which they need each other"""
