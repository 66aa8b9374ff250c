"""Models distilled to a few steps without guidance: Turbo, Lightning, LCM, Hyper, DMD. Thirty guided steps spoil them.

A latent consistency U-Net and FLUX schnell say so in their configs; the others say it by their scheduler, or only by
their names. The numbers are those of their cards; ``guidance_scale=0`` there means none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .configs import read_config
from .model_file import ModelFile

STEPS = 4
"""of one whose name does not say how many"""
NAMES = re.compile(r"(?<![a-z])(turbo|lightning|lcm|hyper[-_]?sd(?:xl)?|dmd2?)(?![a-z])")
NUMBER = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])")
EULER = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
PARTS = ("unet", "transformer")


@dataclass(frozen=True, slots=True, kw_only=True)
class FewSteps:
    """How a distilled model is run, and what told it."""

    steps: int
    sign: str
    """by what it was recognised"""
    is_certain: bool
    """whether by its configs, and not by a name alone"""


def recognise(scheduler: dict[str, Any], names: Iterable[str]) -> FewSteps | None:
    """What a model's scheduler config and the names of its files say; None for one of many steps.

    >>> recognise({"_class_name": "DDIMScheduler"}, ["sdxl_lightning_8step_lora.safetensors"]).steps
    8
    """
    lowered = [name.lower() for name in names]
    named = next((name for name in lowered if NAMES.search(name)), None)
    number = None if named is None else NUMBER.search(named)
    steps = STEPS if number is None else max(1, int(number[1]))
    kind = scheduler.get("_class_name")
    if kind == "LCMScheduler":
        return FewSteps(steps=steps, sign="its scheduler, LCMScheduler", is_certain=True)
    trails = scheduler.get("timestep_spacing") == "trailing" and not scheduler.get("rescale_betas_zero_snr")
    if kind in EULER and trails and scheduler.get("prediction_type", "epsilon") == "epsilon":
        return FewSteps(steps=steps, sign="its scheduler, Turbo's and Lightning's trailing Euler", is_certain=True)
    return None if named is None else FewSteps(steps=steps, sign=f"the name {named}", is_certain=False)


def find_names(name: str, folder: Path, file: ModelFile) -> list[str]:
    """The names that tell what a model is: as it was asked for, as its configs call it, and of its LoRAs."""
    configs = [folder / "model_index.json", *(folder / part / "config.json" for part in PARTS)]
    called = [read_config(path, name).get("_name_or_path") for path in configs if path.is_file()]
    paths = [name, file.base, *(str(one) for one in called if one), *(lora.model for lora in file.loras)]
    return list(dict.fromkeys(Path(path).name for path in paths))
