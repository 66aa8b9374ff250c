"""A job: one command's arguments. The command line is derived from this class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _argument(metavar: str, text: str) -> Any:
    return field(metadata={"metavar": metavar, "help": text})


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the user asked for, not yet checked."""

    input: str = _argument("INPUT", "image to enlarge: anything that GDAL reads")
    output: str = _argument("OUTPUT", "image to write: .png, .jpg or .tif")
    scale: int = _option(4, "output pixels along each axis of one input pixel")
    recipe: str = _option("multidiffusion", "a preset's name or a TOML file")
    model: str = _option(
        "embedded", "embedded, analytic, a folder in diffusers' format, a hub id, or a model file (TOML)"
    )
    allow_pickle: bool = _option(False, "let the model's weights be pickles, which can run code of whoever made them")
    run: str | None = _option(None, "folder or s3://, gs://, az:// URL of the run; beside OUTPUT if not given")
    difficulty: str | None = _option(None, "picture of INPUT's size: how much there is to invent, black for nothing")
    textures: str | None = _option(None, "memory of sharp textures, by `gigatile textures`, that prompt each tile")
    vit: str | None = _option(None, "vision transformer whose attention says so: a folder or a hub id")
    tags: str | None = _option(
        None, "JSON or GeoJSON of tags for parts of INPUT: each tile's prompt says those of its part"
    )
    tagger: str | None = _option(
        None,
        "what tags INPUT: embedded, or folder or hub id of a SigLIP, CLIP, BLIP or Florence-2; the model's own if any",
    )
    vocabulary: str | None = _option(None, "phrases that a SigLIP or CLIP tagger chooses from, one a line")
    tagger_gpu: float = _option(0.0, "share of each GPU for workers that only prepare; 0: tile workers prepare too")
    steps: int | None = _option(None, "sampler steps")
    seed: int | None = _option(None, "seed of all noise")
    bands: str | None = _option(None, "bands of INPUT to enlarge, counted from 1, such as 1,2,3")
    workers: int | None = _option(None, "0: in this process; if not given one a GPU, or one a core")
    threads: int = _option(1, "threads of a worker on a CPU; part of the plan, since sums may depend on it")
    device: str = _option("auto", "auto, cpu or cuda")
    address: str = _option("local", "local: a private Ray; auto: the cluster around; host:port; ray://host:port")
    overwrite: bool = _option(False, "replace OUTPUT if it is there")

    @property
    def run_url(self) -> str:
        return self.run or f"{self.output}.run"

    def band_numbers(self) -> tuple[int, ...] | None:
        """The bands as numbers; raises ValueError with an example."""
        if self.bands is None:
            return None
        try:
            return tuple(int(band) for band in self.bands.split(","))
        except ValueError:
            raise ValueError(f"--bands must be numbers with commas, such as 1,2,3; got {self.bands!r}") from None
