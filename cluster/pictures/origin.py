"""Where a result comes from: the words for it, out of the plan and the image that was enlarged."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction

from pipeline.plan.plan import Plan
from pipeline.version import __version__
from storage.images import ImageInfo
from storage.images.provenance import Provenance


def describe_provenance(plan: Plan, info: ImageInfo, fingerprint: Callable[[], str] | None = None) -> Provenance:
    """What is written into the result of ``plan``; ``info`` is the input's, whose bytes are read for their checksum.

    ``fingerprint`` tells it of an input that only its open source can reach: a signed URL, or many files.
    A picture that no image stands behind, as one made from words alone, names no source.
    """
    source = info.file.partition("?")[0]  # behind it are keys, in an address that was signed
    scale = plan.scale * Fraction(plan.image.ratio)
    return Provenance(
        software=f"gigatile {__version__}",
        model=plan.model_fingerprint,
        recipe=plan.recipe.name,
        plan=plan.hash,
        seed=plan.recipe.run.seed,
        scale=int(scale) if scale.denominator == 1 else float(scale),
        source=os.path.basename(source.rstrip("/")) or None,
        source_sha256=(fingerprint or info.fingerprint)() if source else None,
        is_from_words=plan.stage.from_text,
    )
