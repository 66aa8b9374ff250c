"""Where a picture comes from: what is written into each result, so that nobody takes it for what it was made of."""

from __future__ import annotations

from dataclasses import dataclass

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_WORDS = {
    "software": "Software",
    "model": "Model",
    "recipe": "Recipe",
    "plan": "Plan",
    "seed": "Seed",
    "scale": "Scale",
    "source": "Source",
    "source_sha256": "SourceSha256",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How one result was made. No time: the same input, plan and software make the same bytes."""

    software: str
    """name and version"""
    model: str
    """sha256 of the model, or what else its files are known by"""
    recipe: str
    """name of the recipe that the settings began with"""
    plan: str
    """sha256 of the plan, which holds every setting"""
    seed: int
    scale: float
    """output pixels along each axis of one input pixel"""
    source: str | None = None
    """file name of the input, without folders"""
    source_sha256: str | None = None
    """of the input's bytes; of one that hangs on many files, of their list (see identity.py)"""
    is_from_words: bool = False
    """whether there was no picture to begin with"""

    @property
    def digital_source_type(self) -> str:
        """IPTC's word for it: a picture that a trained model has had a part in, or all of it."""
        return f"{_SOURCE_TYPES}{'trained' if self.is_from_words else 'compositeWithTrained'}AlgorithmicMedia"

    @property
    def facts(self) -> dict[str, str]:
        """Those that are known, in words that XML, too, takes for names."""
        values = {word: getattr(self, name) for name, word in _WORDS.items()}
        return {word: str(value) for word, value in values.items() if value is not None}

    @property
    def tags(self) -> dict[str, str]:
        """As GDAL's tags of a dataset.

        >>> made = Provenance(software="gigatile 1", model="m", recipe="r", plan="p", seed=0, scale=4, source="a.tif")
        >>> made.tags["GIGATILE_SOURCE"], made.tags["DIGITAL_SOURCE_TYPE"].rsplit("/")[-1]
        ('a.tif', 'compositeWithTrainedAlgorithmicMedia')
        """
        own = {f"{_PREFIX}{name.upper()}": value for name, value in self.facts.items()}
        return {**own, "DIGITAL_SOURCE_TYPE": self.digital_source_type}


_PREFIX = "GIGATILE_"


def joined_software(before: str | None, now: str | None) -> str | None:
    """The packages that made a picture, one after another, as TIFF's and EXIF's tag Software has them.

    >>> joined_software("Scanner 2", "gigatile 1"), joined_software("Scanner 2; gigatile 1", "gigatile 1")
    ('Scanner 2; gigatile 1', 'Scanner 2; gigatile 1')
    """
    if not before or not now:
        return before or now
    return before if now in before.split("; ") else f"{before}; {now}"
