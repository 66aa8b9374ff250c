"""Commands about pictures: compare, textures, decode, export."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.console.ending import one_line_errors
from cluster.console.screen import err
from cluster.console.whereabouts import check_lasting, place_of

from . import comparing
from .options import JsonOpt, RunArg, TrustOpt
from .printing import out, print_warnings

app = typer.Typer()


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="image")],
    second: Annotated[str, typer.Argument(metavar="B", help="image of the same size, the reference; or A's input")],
    satellite: Annotated[
        str | None,
        typer.Option(metavar="INPUT", help="what A was made from: what of A is true, B being the truth (opensr-test)"),
    ] = None,
    as_json: JsonOpt = False,
    trust_input: TrustOpt = False,
) -> None:
    """Measure how alike two images are: PSNR, SSIM, MS-SSIM and VIF, window by window.

    Where A is larger than B, as its enlargement: how far A, averaged over each pixel of B, is off B, band by band.
    """
    from cluster.pictures.comparison import compare_images
    from cluster.pictures.consistency import are_of_one_size, check_consistency
    from cluster.pictures.satellite import compare_satellite

    with one_line_errors():
        if satellite is not None:
            comparing.show_satellite(compare_satellite(first, second, satellite, trust=trust_input), as_json)
        elif are_of_one_size(first, second, trust=trust_input):
            comparing.show_likeness(compare_images(first, second, trust=trust_input), as_json)
        else:
            comparing.show_consistency(check_consistency(first, second, trust=trust_input), as_json)


@app.command()
def textures(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="folder of sharp pictures")],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="folder or URL of the memory to make")],
    model: Annotated[str, typer.Option(help="the model of the runs that will read it")] = "embedded",
    allow_pickle: Annotated[bool, typer.Option("--allow-pickle", help="let its weights be pickles")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="model.strict=false, as for `upscale`")
    ] = None,
    scale: Annotated[int, typer.Option(help="the scale of those runs")] = 4,
    side: Annotated[int, typer.Option(help="pixels a side of a patch")] = 256,
    pairs: Annotated[int, typer.Option(help="pairs to keep, at most")] = 2000,
    patches: Annotated[int, typer.Option(help="patches to look at, at most")] = 20000,
    trust_input: TrustOpt = False,
) -> None:
    """Make a memory of reference textures, for `upscale --textures`."""
    from cluster.pictures.textures import Order, build_memory
    from cluster.runs.settings import parse_strict

    def show(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            err.print(f"looked at {done} of {total} patches")

    with one_line_errors():
        order = Order(
            folder=folder,
            output=output,
            model=model,
            allow_pickle=allow_pickle,
            strict=parse_strict(settings),
            scale=scale,
            side=side,
            pairs=pairs,
            patches=patches,
            trust_input=trust_input,
        )
        memory = build_memory(order, show)
        out.print(f"wrote {place_of(output)}: {len(memory.keys)} pairs of width {memory.keys.shape[1]}")


@app.command()
def decode(
    run: RunArg,
    step: Annotated[int, typer.Option(help="step whose latents to decode; the last one is the result")],
    output: Annotated[str, typer.Option(help="image to write")] = "step.png",
    model: Annotated[str, typer.Option(help="the model of the run, as `upscale` was given it")] = "embedded",
    allow_pickle: Annotated[bool, typer.Option("--allow-pickle", help="as `upscale` was given it")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the image if it is there")] = False,
) -> None:
    """Decode the latents of one step of a run in progress, as far as they are there; missing regions are black."""
    from cluster.pictures.preview import decode_step

    with one_line_errors():
        check_lasting("--output", output)
        shown = decode_step(run, step, output, model=model, allow_pickle=allow_pickle, overwrite=overwrite)
        out.print(f"wrote {place_of(output)}: {shown.decoded} of {shown.total} regions are at step {step}")
        if shown.vanished:
            print_warnings([f"{shown.vanished} regions were deleted by the run meanwhile: they are black"])


@app.command()
def export(
    run: RunArg,
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="image to write, as for `upscale`")],
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="the run's input: OUTPUT gets its georeference, alpha and profile; once a file, as `upscale`",
        ),
    ] = None,
    bands: Annotated[str | None, typer.Option(help="as `upscale` was given it")] = None,
    alpha: Annotated[str, typer.Option(help="as `upscale` was given it")] = "auto",
    pages: Annotated[int | None, typer.Option(help="the page of this run")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUTPUT if it is there")] = False,
    trust_input: TrustOpt = False,
) -> None:
    """Write the picture of a run whose regions are all decoded: from any machine that can read its store."""
    from cluster.pictures.exporting import Input, export_run

    with one_line_errors():
        check_lasting("OUTPUT", output)
        given = Input.of(image, bands=bands, alpha=alpha, page=pages, trust=trust_input) if image else None
        exported = export_run(run, output, given, overwrite=overwrite)
        out.print(f"wrote {place_of(output)}")
        out.print(f"pixels sha256 {exported.sha256}")
