"""What a recipe says of the steps, of guidance and of difficulty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.imaging.frequency import cell_of
from pipeline.settings import WITHOUT, Section, setting, where

OWN_SOLVERS = ("ddim", "euler", "euler-ancestral", "ddpm", "dpm++2m", "sde-dpm++2m", "unipc", "lcm", "flow-euler")
"""those of solvers.py, which takes diffusers to import: recipes are read and listed without it"""
SPACINGS = ("model", "leading", "trailing", "linspace")
"""how a solver's timesteps lie when only their number is given (arXiv 2305.08891, table 2)"""
SOURCES = ("none", "confidence", "gradient", "attention", "file")
"""of difficulty"""
GUIDES = ("none", "structure")
MOST_GUIDANCE = 100.0
"""far above what anybody runs: beyond it predictions leave the number format"""
MOST_POWER = 16.0
GROUPS = where("difficulty.activity", "groups")
SPARES = where("difficulty.activity", "groups", "mask")
READS = where("difficulty.activity", "groups", "mask", why="the presets patchscaler and yoda have one that reads it")
LAYS = where("difficulty.activity", "groups", why="groups lay the timesteps themselves")


def _solvers() -> tuple[str, ...]:
    from .solvers import SOLVERS

    return SOLVERS.names()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling(Section):
    """[sampling]: from noise, or a picture, to the result."""

    section: ClassVar[str] = "sampling"
    steps: int | None = setting(None, "sampler steps, before strength takes its share", least=1)
    solver: str | None = setting(
        None,
        "what makes a step of a prediction; other packages may offer more",
        choices=OWN_SOLVERS,
        offered=_solvers,
        requires="a flow model for ``flow-euler``",
    )
    spacing: str = setting(
        "model",
        """how the timesteps lie: as the ``model`` says, ``leading``, ``trailing`` (what Turbo and Lightning models
        want) or ``linspace``""",
        choices=SPACINGS,
        excludes=(LAYS,),
    )
    start: str | None = setting(
        None,
        "``noise``: pure noise; ``image``: the enlarged input's latent, noised to the first timestep",
        choices=("noise", "image"),
        first=WITHOUT,
        plain="noise",
    )
    strength: float = setting(
        1.0,
        'share of the steps that runs, with start = "image"; 1 runs them all',
        above=0,
        most=1,
        excludes=(LAYS,),
    )
    restart: float = setting(
        1.0,
        """share of the steps that run where a picture is begun from: in stages after the first, and in those of an
        image; beside strength""",
        above=0,
        most=1,
        excludes=(LAYS,),
    )
    skip: float = setting(
        0.0,
        "power of the cosine by which a stage's noised start is mixed into each step; 0 mixes none in (DemoFusion)",
        least=0,
        first=WITHOUT,
    )
    coarse: str | None = setting(
        None,
        "first enlargement: ``restored`` by the model's restoration module, or ``bicubic``",
        choices=("restored", "bicubic"),
        requires="a restoration module for ``restored``",
    )
    detail: float | None = setting(
        None,
        """share of the sharp detail that is drawn for the restored enlargement: 0, the most faithful picture; 1, the
        sharpest; at the scale that the denoiser was trained for""",
        least=0,
        most=1,
        requires="a model that draws detail (embedded)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance(Section):
    """[guidance]: what predictions are drawn to."""

    section: ClassVar[str] = "guidance"
    weight: float | None = setting(
        None,
        "weight of classifier-free guidance; 1 runs the conditional branch alone",
        least=0,
        most=MOST_GUIDANCE,
    )
    guide: str = setting(
        "none",
        """``structure``: at every step the low frequencies of what is predicted are drawn to the coarse latent's,
        wholly at first and hardly at last (ScaleDiff); or ``none``""",
        choices=GUIDES,
        first=WITHOUT,
    )
    low_band: float = setting(
        0.125,
        """share of the frequencies that are low: one over a whole number of latent pixels, which divides tiles.region;
        for guide = "structure" and stages.lift = "mixed" """,
    )

    def __post_init__(self) -> None:
        # a zero-argument super() does not reach the class that slots are made for
        Section.__post_init__(self)
        try:
            cell_of(self.low_band)
        except ValueError as e:
            raise ValueError(f"recipe: guidance.{e}") from None

    @property
    def low_cell(self) -> int:
        """Latent pixels a side of the cells of the low band's low-pass."""
        return cell_of(self.low_band)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty(Section):
    """[difficulty]: how much there is to invent at a place, and what easy places are spared."""

    section: ClassVar[str] = "difficulty"
    activity: str = setting(
        "all",
        """``all``: every tile at every step; ``groups``: a tile begins when its difficulty says (PatchScaler);
        ``mask``: a latent pixel is refined while its difficulty says (YODA)""",
        choices=("all", "groups", "mask"),
        first=WITHOUT,
    )
    source: str | None = setting(
        None,
        """where difficulty comes from: ``confidence`` of the model's restoration module, ``gradient``, the input's own,
        ``attention`` of a vision transformer, ``file``, the user's map, or ``none``, where activity is ``all``""",
        choices=SOURCES,
        neutral=(None, "none"),
        needs=(READS,),
        requires="a restoration module for ``confidence``, ``--vit`` for ``attention``, ``--difficulty`` for ``file``",
        first=WITHOUT,
    )
    heads: str = setting(
        "max",
        "what becomes of the transformer's heads: their ``mean`` or ``max``",
        choices=("mean", "max"),
        read_with=(where("difficulty.source", "attention", why="no vision transformer is asked (--vit)"),),
    )
    cell: int | None = setting(
        None,
        """a side of the squares over which difficulty is averaged, before it is raised to its power; the source's own
        where it is open, as with power, group_bounds and lower_bound; it divides tiles.region""",
        unit="latent pixels",
        least=1,
        read_with=(SPARES,),
    )
    power: float | None = setting(
        None,
        "above 1, only the most difficult places count as such",
        above=0,
        most=MOST_POWER,
        read_with=(SPARES,),
    )
    idle_spread: float = setting(
        0.55,
        """how much of a picture's energy a place keeps while it is not denoised: 1, it is as noisy as a picture at that
        time; 0, as the coarse latent, which has less detail to begin from""",
        least=0,
        most=1,
        read_with=(SPARES,),
        requires="models with a restoration module read it",
    )
    group_bounds: tuple[float, float] | None = setting(
        None,
        """gamma_1 > gamma_2: mean confidence, 1 - difficulty, above which a tile is simple, and up to which it is
        hard""",
        read_with=(GROUPS,),
    )
    group_numbers: str = setting(
        "chosen",
        """where bounds and steps of groups are left open: ``paper``, PatchScaler's gamma of the confidence and steps in
        proportion to group_times; ``chosen``, the source's bounds, and a quarter, a half and all of the steps""",
        choices=("chosen", "paper"),
        read_with=(GROUPS,),
    )
    group_times: tuple[float, float, float] = setting(
        (400.0, 700.0, 1000.0),
        "time at which simple, medium and hard tiles begin, rising",
        unit="of 1000",
        read_with=(GROUPS,),
    )
    group_steps: tuple[int, int, int] | None = setting(
        None,
        """steps that simple, medium and hard tiles take, N1 < N2 < N3, on one grid that they join at their times; as
        group_numbers says where it is open""",
        needs=(GROUPS,),
        first=WITHOUT,
    )
    lower_bound: float | None = setting(
        None,
        """l: a place of no difficulty is refined from this share of the time on, and in that share of the steps, the
        last ones, at least in one""",
        above=0,
        most=1,
        read_with=(where("difficulty.activity", "mask"),),
    )
