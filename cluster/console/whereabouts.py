"""Where what a command writes is to be found afterwards: on which machine, and not in a folder that Ray empties."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from storage.objects.address import Address

JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""set by Ray for the entrypoint of a job"""
CACHE = ("runtime_resources", "working_dir_files")
"""folders of Ray, one in the other, in which it unpacks a job's working_dir, and which it deletes when it likes"""


def place_of(path: str) -> str:
    """A file's absolute path, and the host where it is; a URL as it is."""
    if "://" in path and not path.lower().startswith("file://"):
        return path
    if "://" in path:
        return f"{Address.parse(path)} on {socket.gethostname()}"
    return f"{Path(os.path.expanduser(path)).absolute()} on {socket.gethostname()}"


def check_lasting(what: str, path: str, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse what a Ray job would write where nobody finds it. ``what``: the argument, for the message.

    Raises ValueError, one line with the mend.
    """
    if "://" in path and not path.lower().startswith("file://"):
        return
    target = Path(str(Address.parse(path)) if "://" in path else os.path.expanduser(path))
    parts = target.absolute().parts
    if CACHE in pairwise(parts):
        fault = "lies in Ray's folder for this job, which Ray deletes"
    elif JOB_VARIABLE in environment and not target.is_absolute():
        fault = "is relative, and a Ray job runs in a folder of Ray's"
    else:
        return
    url = "s3://bucket/runs/scene" if what == "--run" else "s3://bucket/out.tif"
    where = f"an absolute path or a URL such as {url}"
    raise ValueError(
        f"{what} {path}: {fault}; give {where}, or take the picture from the run's store "
        "afterwards, anywhere: `gigatile export RUN OUTPUT`"
    )


def check_outputs(output: str, run_url: str) -> None:
    """The same for a picture and for its run, which is beside it where no other place is named."""
    check_lasting("OUTPUT", output)
    check_lasting("--run", run_url)
