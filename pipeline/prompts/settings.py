"""What a recipe says of words, and of what else the model is told of a tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.settings import WITHOUT, Section, setting, where

MOST_PARENTS = 4
"""the widest context is 16 times a tile's side: what one worker reads at once"""
LOCAL = where("prompts.source", "local", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts(Section):
    """[prompts]: the words that a tile is denoised with; only models with a text encoder read them."""

    section: ClassVar[str] = "prompts"
    text: str = setting("", "one prompt for every tile")
    negative: str = setting("", "what guidance moves away from")
    source: str | None = setting(
        None,
        """``global``: text for every tile; ``local``: text, then what the tagger says of each tile; ``file``: text,
        then what the user's tag file says of it; ``attention``: the words of text that the first stage of a progressive
        run saw there (AccDiffusion); runs of an image have no such stage""",
        choices=("global", "local", "file", "attention"),
        requires="for ``local`` the model's own tagger or ``--tagger``, for ``file`` ``--tags``, for ``attention`` a "
        "model with cross-attention and a run from words",
        first=WITHOUT,
        plain="global",
    )
    word_share: float = setting(
        0.3,
        "c: the share of a tile in which a word must hold to be said of it",
        least=0,
        most=1,
        read_with=(where("prompts.source", "attention"),),
    )
    collect_words: bool = setting(
        False,
        """keep which words each place attends to, summed over the steps: what source = "attention" of later stages
        reads""",
        needs=(
            where("difficulty.activity", "all", why="a tile that is not looked at has no map"),
            where("model.compile", False, why="hooks do not reach into compiled code"),
        ),
        requires="a model with cross-attention",
    )
    tag_threshold: float | None = setting(
        None,
        "least probability at which a tagger's phrase is said",
        least=0,
        most=1,
        read_with=(where("prompts.source", "local", why="no tagger is asked"),),
    )
    most_tags: int | None = setting(
        None,
        "most phrases of content that are said of a crop, the surest; 0 says all",
        least=0,
        read_with=(LOCAL,),
    )
    least_confidence: float = setting(
        0.0,
        "a tile whose surest phrase of content is below this takes the content of the whole image instead",
        least=0,
        most=1,
        needs=(LOCAL,),
        late=True,
        first=WITHOUT,
    )
    parents: int = setting(
        0,
        "wider crops whose content is said after a tile's own: 1 of twice the side, 2 also of four times, and so on",
        least=0,
        most=MOST_PARENTS,
        needs=(LOCAL,),
        late=True,
        first=WITHOUT,
    )
    tags_first: bool = setting(
        False,
        "whether a tile's tags come before text (Zoomed-In's program); what is too long is cut from the end",
        read_with=(LOCAL,),
    )
    degradations: str = setting(
        "prompt",
        "where the words for damage go that are said of a tile: its ``prompt``, or its ``negative`` prompt",
        choices=("prompt", "negative"),
        needs=(LOCAL,),
        late=True,
        requires="for ``negative`` words for damage, and guidance",
        first=WITHOUT,
    )
    captions: str = setting(
        "short",
        "for captioners that write both",
        choices=("short", "detailed"),
        requires="a Florence-2 for ``detailed``",
        first=WITHOUT,
    )
    crops: str | None = setting(
        None,
        """what SDXL is told of each tile: ``none``, it is a picture of its own; ``tile``, it is a crop of the output,
        which is the default where stages grow ``linear``""",
        choices=("none", "tile"),
        requires="SDXL for ``tile``",
    )
