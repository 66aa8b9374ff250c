"""The job of many pictures: one command's arguments. The command line is derived from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from .job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection(Job):
    """Enlarging and restoring one image, or many: each as its own job would, with the same workers."""

    input: str | tuple[str, ...] = field(default=(), metadata=Job.__dataclass_fields__["input"].metadata)
    list_file: str | None = field(
        default=None,
        metadata={
            "flag": "--list",
            "metavar": "FILE",
            "help": "pictures, a row each: CSV with a header, or JSON lines; a row says input, and may say output, "
            "recipe, bands, tags, pages, range, alpha, scale, steps, seed or difficulty; OUTPUT is a folder then",
        },
    )
    name: str = field(
        default="{stem}.tif",
        metadata={
            "flag": "--name",
            "metavar": "PATTERN",
            "help": "of the results of many pictures in OUTPUT, a folder: {stem}, {suffix} and {folder} of the input, "
            "{number} of the picture, such as '{number:04}-{stem}.png'",
        },
    )
    catalogue: str = field(
        default="none",
        metadata={
            "help": "of the results of many pictures, beside them: stac for catalog.json, vrt for one mosaic, "
            "mosaic.vrt, or none"
        },
    )
    retry_failed: bool = field(default=False, metadata={"help": "of many pictures, try those again that failed"})
    is_folder: bool = field(default=False, init=False)
    """whether OUTPUT ends as a folder's name does"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_folder", self.output.endswith("/"))
        Job.__post_init__(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that INPUT names."""
        return (self.input,) if isinstance(self.input, str) else self.input

    def alone(self) -> Job:
        """The job of one picture."""
        if not self.input:
            raise ValueError("expected INPUT, a picture, before OUTPUT; or a list of pictures, --list FILE")
        return Job(**{one.name: getattr(self, one.name) for one in fields(Job)})
