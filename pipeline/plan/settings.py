"""What a recipe says of the stages of a picture, and of a run as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.settings import Section, setting, where


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages(Section):
    """[stages]: the sizes that a picture made from words grows through. The run of an image is one stage."""

    section: ClassVar[str] = "stages"
    growth: str = setting(
        "one",
        """``linear``, once, twice, three times the native size and so on (DemoFusion); ``double``, each twice the one
        before (ScaleDiff); ``one``, the whole output at once""",
        choices=("one", "linear", "double"),
        requires="``generate``",
    )
    lift: str = setting(
        "latent",
        """what a stage begins from: the ``latent`` of the stage before, enlarged; its ``pixels``, enlarged and encoded;
        or ``mixed``, low frequencies of the one and high ones of the other""",
        choices=("latent", "pixels", "mixed"),
        requires="``generate``",
    )
    anchor: bool = setting(
        False,
        "whether each stage's result gets the mean and deviation of the first stage's, over all channels and places",
        requires="``generate``",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Section):
    """[run]: what a run as a whole draws, keeps and repeats."""

    section: ClassVar[str] = "run"
    seed: int = setting(0, "seed of all noise", least=0, most=2**63 - 1)
    keep_steps: int = setting(0, "keep the latents of every k-th step; 0 deletes each once no task needs it", least=0)
    compat: str = setting(
        "none",
        """``official``: later batches of a step are scaled by the next step's sigma and edges are zeros, as the
        published code of DemoFusion and AccDiffusion has it; a defect, for comparison""",
        choices=("none", "official"),
        needs=(where("sampling.solver", "euler", why="the defect is of Euler's sigmas"),),
        requires="sampling.skip or dilation.power",
    )
    compat_batch: int = setting(
        16,
        "tiles in one batch of that code: its results depend on it",
        least=1,
        read_with=(where("run.compat", "official"),),
    )
