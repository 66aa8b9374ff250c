"""Commands about clusters: submit, kube."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.console.ending import CALLED_OFF, one_line_errors
from cluster.console.screen import err
from cluster.console.whereabouts import JOB_VARIABLE, check_lasting
from cluster.job import Job, TextJob, Work

from .arguments import takes_job
from .printing import out

if TYPE_CHECKING:
    from cluster.machines.submission import Submission

app = typer.Typer()

COMMANDS = ("upscale", "generate")
"""what can be sent to a cluster"""


def read_job(words: Sequence[str]) -> Work:
    """The job that a command line of COMMANDS means, checked as the command itself would; usage errors are click's."""
    if not words or words[0] not in COMMANDS:
        raise ValueError(f"submit: expected -- and one of {', '.join(COMMANDS)} with its arguments, got {words[:1]}")
    taken: list[Work] = []
    parser = typer.Typer(add_completion=False)

    @parser.command(COMMANDS[0])
    @takes_job
    def _upscale(job: Job) -> None:
        taken.append(job)

    @parser.command(COMMANDS[1])
    @takes_job
    def _generate(job: TextJob) -> None:
        taken.append(job)

    code = typer.main.get_command(parser)(list(words), prog_name="gigatile", standalone_mode=False)
    if code:
        raise typer.Exit(code)  # what is wrong was said
    if not taken:
        raise ValueError(f"submit: {words[0]} was asked for its help alone: leave --help out")
    return taken[0]


def job_words(words: Sequence[str], job: Work) -> tuple[str, ...]:
    """The command as the job runs it: on the cluster around it where no other place is named."""
    if job.address == "local" and not any(word.partition("=")[0] == "--address" for word in words):
        return (*words, "--address", "auto")
    return tuple(words)


def check_places(job: Work) -> None:
    """Refuse, before anything is sent, an OUTPUT or a run that a job would write into a folder that Ray deletes."""
    for what, path in (("OUTPUT", job.output), ("--run", job.run_url)):
        check_lasting(what, path, {JOB_VARIABLE: "{}"})


@app.command(context_settings={"allow_interspersed_args": False})
def submit(
    words: Annotated[list[str], typer.Argument(metavar="-- COMMAND ...", help="upscale or generate, as it stands")],
    address: Annotated[
        str | None, typer.Option(help="the cluster's dashboard, such as http://head:8265; else RAY_API_SERVER_ADDRESS")
    ] = None,
    wheel: Annotated[str | None, typer.Option(help="gigatile's wheel, sent to nodes that have its libraries")] = None,
    working_dir: Annotated[str | None, typer.Option(help="folder sent to the nodes, where the job runs")] = None,
    image: Annotated[str | None, typer.Option(help="container image that the job's processes run in")] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="variable that the job gets from here, such as 'AWS_*'; may be given often"),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="print the job's output, and end as it ends")] = False,
    tries: Annotated[int, typer.Option(help="attempts, with --follow: one that fails is sent again, and resumes")] = 1,
    allow_open_cluster: Annotated[
        bool, typer.Option("--allow-open-cluster", help="send it to a cluster that asks for no token")
    ] = False,
) -> None:
    """Send a command to a Ray cluster as a job. The same line again, or --tries, resumes what was begun."""
    from cluster.machines.dashboard import Dashboard, find_dashboard
    from cluster.machines.submission import Delivery, Submission, pick_variables

    with one_line_errors():
        job = read_job(words)
        check_places(job)
        if tries < 1 or (tries > 1 and not follow):
            raise ValueError(f"--tries {tries}: expected 1 or more, and --follow for more than one")
        variables = pick_variables(env or [], os.environ)
        delivery = Delivery(wheel=wheel, working_dir=working_dir, image=image)
        _warn_left_behind(job, variables)
        dashboard = Dashboard.connect(find_dashboard(address), allow_open=allow_open_cluster)
        given: dict[str, Any] = {"words": job_words(words, job), "run": job.run_url}
        for number in range(1, tries + 1):
            submission = Submission.fresh(delivery=delivery, variables=variables, **given)
            dashboard.submit(submission)
            _tell(submission, dashboard.address, job, follow=follow)
            code = _followed(dashboard, submission.id) if follow else 0
            if code in (0, CALLED_OFF) or number == tries:
                raise typer.Exit(code)
            err.print(f"attempt {number} of {tries} ended with {code}: the next one resumes")


def _warn_left_behind(job: Work, variables: dict[str, str]) -> None:
    from cluster.machines.submission import left_behind

    inputs = getattr(job, "input", ())
    urls = [job.output, job.run_url, *([inputs] if isinstance(inputs, str) else inputs)]
    for pattern in left_behind(urls, variables, os.environ):
        err.print(
            f"gigatile: warning: variables {pattern} are set here and the job gets none of them: unless its nodes have "
            f"their own, add --env '{pattern}'"
        )


def _tell(submission: Submission, address: str, job: Work, *, follow: bool) -> None:
    """What was sent, by the names of variables alone, and how it is looked after."""
    names = ", ".join(submission.variables)
    err.print(f"submitted {submission.id} to {address}" + (f", with {names}" if names else ""))
    if not follow:
        run = shlex.quote(job.run_url)
        err.print(f"look: gigatile status {run} --watch; stop: gigatile stop {run}")
        out.print(submission.id)


def _followed(dashboard: Any, name: str) -> int:
    """The exit code of a job that is followed to its end."""
    try:
        state, code = dashboard.follow(name, out.print)
    except KeyboardInterrupt:
        err.print(f"the job {name} goes on; it is no longer followed")
        raise typer.Exit(130) from None
    if state == "SUCCEEDED":
        return 0
    err.print(f"the job {name} ended: {state.lower()}")
    return code if code and code > 0 else 130 if state == "STOPPED" else 1


@app.command(context_settings={"allow_interspersed_args": False})
def kube(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND ...]", help="upscale or generate: a job of its own")
    ] = None,
    spec: Annotated[str | None, typer.Option(help="TOML of the cluster, see docs/cluster.md")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="of the cluster, such as gpu.most=40; may be given many times"),
    ] = None,
) -> None:
    """Print a manifest for KubeRay: a RayJob for a command, which resumes on a new cluster, else a RayCluster."""
    from cluster.machines.kube_spec import read_spec
    from cluster.machines.manifests import ray_cluster, ray_job, to_yaml
    from storage.documents import read_text

    with one_line_errors():
        if spec is not None and not Path(spec).is_file():
            raise FileNotFoundError(f"--spec {spec}: no such file; expected TOML, see docs/cluster.md")
        table = "" if spec is None else read_text(Path(spec))
        asked = read_spec(table, settings or [], where=f"--spec {spec}" if spec else "kube")
        manifest = ray_job(asked, words, read_job(words)) if words else ray_cluster(asked)
        print(to_yaml(manifest), end="")
