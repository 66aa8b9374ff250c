"""From a job's class to a command's arguments and options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from cluster.console.ending import one_line_errors
from cluster.console.telling import Telling, told
from cluster.job import Work


def is_many(field: dataclasses.Field[Any]) -> bool:
    """Whether an argument may be given many times."""
    return bool(field.metadata.get("many", False))


def value_of(field: dataclasses.Field[Any], given: Any) -> Any:
    """A job's value: of an argument that was given once, itself; of one that was given many times, a tuple."""
    if not is_many(field):
        return given
    given = given or ()
    return given[0] if len(given) == 1 else tuple(given)


def _telling(
    log_file: Annotated[str | None, typer.Option(help="append what happens to this file, a JSON object a line")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="say more of what happens")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="say nothing but warnings and errors")] = False,
) -> Telling:
    """Options that every command with a job has."""
    return Telling(log_file=log_file, verbose=verbose, quiet=quiet)


def takes_job(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is a job gets its fields as arguments and options, and those of _telling."""
    first, *rest = inspect.signature(command, eval_str=True).parameters.values()
    job_class: type[Work] = first.annotation

    def parameter(field: dataclasses.Field[Any], kind: Any) -> inspect.Parameter:
        required = field.default is dataclasses.MISSING
        is_argument = "place" in field.metadata
        words = [f"--{field.name.replace('_', '-')}"] if kind is bool else []
        words = [field.metadata["flag"]] if "flag" in field.metadata else words
        metadata = {key: value for key, value in field.metadata.items() if key not in ("place", "flag", "many")}
        kind = list[str] if is_many(field) else kind
        info = typer.Argument(**metadata) if is_argument else typer.Option(*words, **metadata)
        default = inspect.Parameter.empty if required else field.default or None if is_many(field) else field.default
        return inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
        )

    kinds = typing.get_type_hints(job_class)
    asked = [field for field in dataclasses.fields(job_class) if field.init]
    ordered = sorted(asked, key=lambda field: field.metadata.get("place", len(kinds)))
    fields = [parameter(field, kinds[field.name]) for field in ordered]

    @functools.wraps(command)
    def call(**options: Any) -> None:
        with ExitStack() as stack:
            with one_line_errors():
                stack.enter_context(told(_telling(**{name: options.pop(name) for name in spoken})))
                job = job_class(**{field.name: value_of(field, options.pop(field.name)) for field in ordered})
            command(job, **options)

    spoken = inspect.signature(_telling, eval_str=True).parameters
    keyword_only = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*rest, *spoken.values())]
    call.__signature__ = inspect.Signature([*fields, *keyword_only])  # type: ignore[attr-defined]
    return call
