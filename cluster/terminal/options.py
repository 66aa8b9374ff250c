"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

RunArg = Annotated[str, typer.Argument(metavar="RUN", help="folder or URL of a run, of a series or of one stage of it")]
TrustOpt = Annotated[
    bool, typer.Option("--trust-input", help="let images make GDAL read other files than pictures beside them")
]
JsonOpt = Annotated[bool, typer.Option("--json", help="print JSON")]
