"""Arguments and options that several commands have, as typer reads them."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from cluster.terminal.options import JsonOpt, RunArg, TrustOpt

app = typer.Typer()


@app.command()
def show(run: RunArg, as_json: JsonOpt = False, trust_input: TrustOpt = False) -> None:
    typer.echo(f"{run} {as_json} {trust_input}")


def test_they_are_off_unless_given() -> None:
    assert CliRunner().invoke(app, ["a"]).stdout == "a False False\n"
    assert CliRunner().invoke(app, ["a", "--json"]).stdout == "a True False\n"
    assert CliRunner().invoke(app, ["a", "--trust-input"]).stdout == "a False True\n"
    assert CliRunner().invoke(app, []).exit_code == 2
