"""Jobs: one command's arguments. The command line is derived from these classes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pipeline.models.settings import Codec
from pipeline.plan.settings import Run
from pipeline.prompts.settings import Prompts
from pipeline.sampling.settings import Guidance, Sampling
from pipeline.settings import by_name
from storage.home import expand_home
from storage.images.delivery import address_of
from storage.images.layout import ALPHA, Choice
from storage.objects.address import Address


def _argument(metavar: str, text: str, place: int, *, many: bool = False) -> Any:
    """One without a name; ``place``: of all of them, from 0; ``many``: it may be given many times, one tuple then."""
    return field(metadata={"metavar": metavar, "help": text, "place": place, "many": many})


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


def _setting(name: str) -> Any:
    """An option that is a setting of the recipe, in the recipe's own words."""
    return _option(None, SHOWN[name].about.meaning.replace("``", ""))


SHOWN = by_name((Sampling, Prompts, Guidance, Codec, Run))
OPTIONS = {
    "steps": "sampling.steps",
    "seed": "run.seed",
    "prompt": "prompts.text",
    "negative": "prompts.negative",
    "guidance": "guidance.weight",
    "compat": "run.compat",
    "consistency": "codec.consistency",
}
"""options and arguments that are settings, which they set"""
_PATHS = tuple(
    ["output", "recipe", "model", "tagger", "vocabulary", "vit", "input", "difficulty", "textures", "tags", "list_file"]
)
"""fields that may name a local file or folder: a home directory, ~, is meant wherever the shell leaves it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What every run is given, not yet checked."""

    output: str = _argument(
        "OUTPUT", "image to write, also in s3://, gs:// or az://: .tif, .png, .jpg, .webp, .ome.zarr, .dzi or .iiif", 1
    )
    recipe: str = _option("multidiffusion", "a preset's name or a TOML file")
    model: str = _option(
        "embedded", "embedded, analytic, a folder in diffusers' format, a hub id, or a model file (TOML)"
    )
    allow_pickle: bool = _option(False, "let the model's weights be pickles, which can run code of whoever made them")
    run: str | None = _option(None, "folder or s3://, gs://, az:// URL of the run; beside OUTPUT if not given")
    steps: int | None = _setting("sampling.steps")
    seed: int | None = _setting("run.seed")
    settings: list[str] | None = field(
        default=None,
        metadata={
            "flag": "--set",
            "metavar": "KEY=VALUE",
            "help": "a setting of the recipe, see `gigatile recipes --settings`, with its value as in TOML, such as "
            "sampling.steps=8; may be given many times",
        },
    )
    tagger: str | None = _option(
        None,
        "what tags pictures: embedded, a SigLIP, CLIP, BLIP or Florence-2 by folder or hub id; the model's own if any",
    )
    vocabulary: str | None = _option(None, "phrases that a SigLIP or CLIP tagger chooses from, one a line")
    tagger_gpu: float = _option(0.0, "share of each GPU for workers that only prepare; 0: tile workers prepare too")
    vit: str | None = _option(None, "vision transformer whose attention says how difficult places are")
    workers: int | None = _option(None, "0: in this process; if not given one a GPU, or one a core")
    threads: int = _option(1, "threads of a worker on a CPU; part of the plan, since sums may depend on it")
    device: str = _option("auto", "auto, cpu or cuda")
    address: str = _option("local", "local: a private Ray; auto: the cluster around; host:port; ray://host:port")
    wait: float | None = _option(None, "seconds to wait at most while no worker has room on a cluster; else for ever")
    allow_open_cluster: bool = _option(False, "join a cluster that asks for no token, and send it what the run needs")
    overwrite: bool = _option(False, "replace OUTPUT if it is there")

    def __post_init__(self) -> None:
        for name in _PATHS:
            value = getattr(self, name, None)
            if isinstance(value, tuple):
                object.__setattr__(self, name, tuple(map(_at_home, value)))
            elif value is not None:
                object.__setattr__(self, name, _at_home(value))
        output = str(Address.parse(self.output)) if self.output.lower().startswith("file://") else self.output
        object.__setattr__(self, "output", output.rstrip("/") or output)  # a folder, as shells complete its name
        _ = self.run_address

    @property
    def run_url(self) -> str:
        """The run's address as it was given."""
        return f"{self.output}.run" if self.run is None else self.run

    @property
    def run_address(self) -> Address:
        """Raises ValueError for what is no address."""
        if self.run is not None:
            return Address.parse(self.run)
        return (Address.local if address_of(self.output) is None else Address.parse)(self.run_url)

    def files_read(self) -> tuple[str, ...]:
        """All files, folders and URLs that the command reads; names that are none among them."""
        found: list[str] = []
        for name in _PATHS:
            value = None if name in ("output", "run") else getattr(self, name, None)
            found += value if isinstance(value, tuple) else [value] if value else []
        return (*found, self.run_url)


def _at_home(path: str) -> str:
    """Where it begins with ~; else as given: /vsizip//data is not /vsizip/data."""
    return str(expand_home(path)) if path.startswith("~") else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Work):
    """Enlarging and restoring an image."""

    input: str | tuple[str, ...] = _argument(
        "INPUT",
        "image to enlarge: a file (PNG, JPEG, TIFF, JPEG 2000, VRT, OME-Zarr, ...), s3://, gs://, az:// or https://, a "
        "file in an archive (/vsizip/PATH/inside), or one image of many, as GDAL names it; several files: bands of one "
        "scene",
        0,
        many=True,
    )
    scale: float = _option(
        4.0,
        "output pixels along each axis of one input pixel, such as 4, 2, 1 or 1.5; INPUT is enlarged first by what "
        "the model cannot",
    )
    difficulty: str | None = _option(None, "picture of INPUT's size: how much there is to invent, black for nothing")
    textures: str | None = _option(None, "memory of sharp textures, by `gigatile textures`, that prompt each tile")
    tags: str | None = _option(
        None, "JSON or GeoJSON of tags for parts of INPUT: each tile's prompt says those of its part"
    )
    bands: str | None = _option(
        None, "one or three bands of INPUT that the model sees, counted from 1, such as 4,3,2; the others follow them"
    )
    pages: str | None = _option(
        None, "pages or frames of INPUT, such as 2, or 2-5 or all: each into a file of its own, OUTPUT-p2 and so on"
    )
    alpha: str = _option("auto", "whether a band that says so is transparency: band, none, or what the file tells")
    value_range: str = field(
        default="auto",
        metadata={
            "flag": "--range",
            "help": "input values that are black and white to the model: auto, full, LOW,HIGH or percentiles 1%,99%",
        },
    )
    consistency: bool | None = _setting("codec.consistency")
    uncertainty: int = _option(
        0, "seeds, this run's among them, whose spread is written as OUTPUT.uncertainty.tif; 0 for none"
    )
    uncertainty_from: float = _option(
        0.1, "how difficult, 0 to 1, a square of 32 input pixels must be for other seeds to look at it"
    )
    trust_input: bool = _option(False, "let INPUT make GDAL read other files than pictures beside it")

    def __post_init__(self) -> None:
        Work.__post_init__(self)
        if self.uncertainty < 0 or self.uncertainty == 1:
            raise ValueError(
                f"--uncertainty {self.uncertainty}: expected 2 or more seeds, whose results are compared, or 0 for none"
            )
        if not 0 <= self.uncertainty_from <= 1:
            raise ValueError(f"--uncertainty-from {self.uncertainty_from:g}: expected a difficulty from 0 to 1")

    @property
    def uncertainty_output(self) -> str:
        """Where the spread of results is written."""
        return f"{self.output}.uncertainty.tif"

    @property
    def input_name(self) -> str:
        """What INPUT is called in a line; several files tell by themselves of which of them it speaks."""
        return self.input if isinstance(self.input, str) else "INPUT"

    def choice(self) -> Choice:
        """What is said of INPUT's bands; raises ValueError with an example."""
        return parse_choice(self.bands, self.alpha)

    def page_number(self) -> int | None:
        """The page, None for none chosen; raises ValueError where more than one is."""
        span = parse_pages(self.pages)
        if span is None:
            return None
        if span[0] != span[1]:
            raise ValueError(f"--pages {self.pages}: one picture is made of one page: ask for one, such as --pages 2")
        return span[0]


def parse_choice(bands: str | None, alpha: str = "auto") -> Choice:
    """What a command says of an image's bands; raises ValueError with an example."""
    if alpha not in ALPHA:
        raise ValueError(f"--alpha must be one of {', '.join(ALPHA)}, got {alpha!r}")
    return Choice(shown=parse_bands(bands), alpha=alpha)


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """Bands as numbers, None for all; raises ValueError with an example."""
    try:
        return None if text is None else tuple(int(band) for band in text.split(","))
    except ValueError:
        raise ValueError(f"--bands must be numbers with commas, such as 1,2,3; got {text!r}") from None


def parse_pages(text: str | None) -> tuple[int, int | None] | None:
    """The first and the last page that --pages names, None for the last one there is; None for nothing said.

    >>> parse_pages("2"), parse_pages("2-5"), parse_pages("all"), parse_pages(None)
    ((2, 2), (2, 5), (1, None), None)
    """
    if text is None or text.strip().lower() == "all":
        return None if text is None else (1, None)
    found = re.fullmatch(r"\s*([1-9][0-9]{0,5})\s*(?:-\s*([1-9][0-9]{0,5})\s*)?", text)
    if found is None or (found[2] and int(found[2]) < int(found[1])):
        raise ValueError(f"--pages must be a page's number, such as 2, a range, such as 2-5, or all; got {text!r}")
    return int(found[1]), int(found[2] or found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class TextJob(Work):
    """Making a picture from words."""

    prompt: str = _argument("PROMPT", "what the picture shows", 0)
    size: str = _option("", "output pixels, WIDTHxHEIGHT, such as 4096x4096; the model's own if not given")
    negative: str | None = _setting("prompts.negative")
    guidance: float | None = _setting("guidance.weight")
    compat: str | None = _setting("run.compat")

    def pixels(self) -> tuple[int, int] | None:
        """Height and width; None for the model's own. Raises ValueError with an example."""
        if not self.size:
            return None
        match = re.fullmatch(r"([1-9][0-9]*)[xX]([1-9][0-9]*)", self.size)
        if match is None:
            raise ValueError(f"--size must be WIDTHxHEIGHT in pixels, such as 4096x4096; got {self.size!r}")
        return int(match[2]), int(match[1])
