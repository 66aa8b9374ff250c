"""Commands about what a run did: report."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.console.ending import one_line_errors
from cluster.console.whereabouts import check_lasting, place_of

from .options import RunArg, TrustOpt
from .printing import out

app = typer.Typer()


@app.command()
def report(
    run: RunArg,
    output: Annotated[
        str | None, typer.Argument(metavar="[PAGE]", help="page to write; RUN.report.html if not given")
    ] = None,
    price: Annotated[
        float | None, typer.Option(help="what an hour of a worker costs, for the cost of each phase")
    ] = None,
    result: Annotated[str | None, typer.Option(metavar="OUTPUT", help="the run's picture, with --against")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="its input, or the truth, to measure it by, with --result")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the page if it is there")] = False,
    trust_input: TrustOpt = False,
) -> None:
    """Write what a run did as one page that needs nothing else: who worked when at what, costs, losses, pictures."""
    from cluster.report.making import Asked, default_output, make_report, write_page

    with one_line_errors():
        asked = Asked(run=run, price=price, result=result, against=against, trust_input=trust_input)
        page = output or default_output(run)
        check_lasting("PAGE", page)
        write_page(page, lambda: make_report(asked), overwrite=overwrite)
        out.print(f"wrote {place_of(page)}")
