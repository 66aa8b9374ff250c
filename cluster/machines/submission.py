"""What is sent to a cluster as a job: a gigatile command, how gigatile comes to the nodes, and variables by name."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

PROGRAM = ("python", "-m", "cluster.cli")
"""the same however gigatile was brought there"""
STORES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
"""scheme of a store -> how the names of the variables begin that it reads"""
SHORTEST_SECRET = 6
"""letters of a value below which it is not taken out of a message: "1" and "true" are no secrets"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How gigatile comes to the nodes; nothing where it is installed there."""

    wheel: str | None = None
    working_dir: str | None = None
    image: str | None = None
    """of a container"""

    def __post_init__(self) -> None:
        given = {f"--{name.replace('_', '-')}": getattr(self, name) for name in self.__slots__ if getattr(self, name)}
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: expected one way for gigatile to come to the nodes, or none")
        if self.wheel is not None and not (self.wheel.endswith(".whl") and Path(self.wheel).is_file()):
            raise ValueError(f"--wheel {self.wheel}: expected a .whl file, as `pip wheel --no-deps .` makes")
        if self.working_dir is not None and "://" not in self.working_dir and not Path(self.working_dir).is_dir():
            raise ValueError(f"--working-dir {self.working_dir}: expected a folder, which is copied to the nodes")

    def environment(self) -> dict[str, Any]:
        """Of Ray's runtime environment what it needs."""
        if self.wheel is not None:
            return {"py_modules": [str(Path(self.wheel).absolute())]}
        if self.working_dir is not None:
            return {"working_dir": self.working_dir}
        return {} if self.image is None else {"image_uri": self.image}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One attempt at a run. The run is named by its URL, an attempt by an id of its own: Ray takes none twice."""

    words: tuple[str, ...]
    """the command, from ``upscale`` on"""
    run: str
    delivery: Delivery = Delivery()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """what the job finds in its environment; values are shown nowhere"""
    id: str = ""

    @classmethod
    def fresh(cls, **given: Any) -> Submission:
        """With an id that no other attempt has."""
        stem = re.sub(r"[^A-Za-z0-9]+", "-", given["run"].rstrip("/").rpartition("/")[2]).strip("-")[:40]
        return cls(id=f"gigatile-{stem or 'run'}-{secrets.token_hex(4)}", **given)

    @property
    def entrypoint(self) -> str:
        """For a shell."""
        return shlex.join([*PROGRAM, *self.words])

    @property
    def environment(self) -> dict[str, Any]:
        """Ray's runtime environment."""
        variables = {"env_vars": dict(self.variables)} if self.variables else {}
        return {**self.delivery.environment(), **variables}

    def hide(self, text: str) -> str:
        """A text without the values of variables, which a cluster's error may repeat."""
        for value in sorted(self.variables.values(), key=len, reverse=True):
            if len(value) >= SHORTEST_SECRET:
                text = text.replace(value, "***")
        return text


def pick_variables(asked: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that are asked for by name, or by a pattern such as AWS_*.

    Raises ValueError, one line that repeats no value, where one is not set.
    """
    picked: dict[str, str] = {}
    for name in asked:
        if "=" in name:
            raise ValueError(
                f"--env {name.partition('=')[0]}=...: expected a name alone: the value is read from the environment "
                "here, so that it stands in no list of processes and no history"
            )
        found = {one: value for one, value in environment.items() if fnmatchcase(one, name)}
        if not found:
            raise ValueError(f"--env {name}: no such variable is set here")
        picked |= found
    return dict(sorted(picked.items()))


def left_behind(urls: Sequence[str], picked: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """Patterns of variables that are set here, that the stores of ``urls`` read, and of which the job gets none."""
    prefixes = dict.fromkeys(STORES[scheme] for url in urls if (scheme := url.partition("://")[0].lower()) in STORES)
    return [
        f"{prefix}*"
        for prefix in prefixes
        if any(name.startswith(prefix) for name in environment) and not any(name.startswith(prefix) for name in picked)
    ]
