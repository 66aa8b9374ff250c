"""Whether a change changes a byte: ``python -m benchmarks.bytes write FILE.json``, then ``compare FILE.json``.

Runs some hundred small commands (benchmarks/byte_cells.py) in this process with one thread, each in a store of its own,
and takes the sha256 of what they store: the latents of every step and the pixels of every stage. ``write`` keeps them,
``compare`` runs the same again and prints each cell that differs, and where: exit code 0 where all are equal, 1 where
not. Bytes depend on the processor and on the libraries: FILE.json says on which they were made, and ``compare``
refuses to run on others, with exit code 2. Plans are not compared: their hashes may change where no byte does.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typer.testing import CliRunner

from actors.artifacts.layout import OUT, latent_name
from actors.artifacts.series import run_exists, stage_url
from benchmarks.byte_cells import Cell, all_cells
from benchmarks.byte_inputs import Inputs
from cluster.cli import app
from storage.run import RunStore

PACKAGES = ("torch", "diffusers", "transformers", "tokenizers", "numpy", "pillow", "scikit-image", "scipy")
"""whose version can change a byte"""
FLAGS = ("avx", "amx", "fma", "f16c", "sse4", "bf16", "asimd", "sve")
"""how the names of instruction sets begin by which libraries choose their kernels"""
VARIABLES = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA")
"""of the environment, by which they choose too"""

STOPPED = 130
"""exit code of a command that was asked to stop, which takes Ctrl-C for itself"""

Sums = dict[str, str]
"""what of a run's store -> its sha256"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one ``write`` found."""

    facts: dict[str, str]
    """what bytes depend on beside the program"""
    weights: dict[str, str]
    """sha256 of the tiny models' weights"""
    cells: dict[str, Sums]

    @classmethod
    def read(cls, path: Path) -> Record:
        """Raises ValueError for a file that is no record, and FileNotFoundError where there is none."""
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, json.JSONDecodeError) as e:
            raise ValueError(f"{path}: expected a file by `python -m benchmarks.bytes write`, found {e}") from e


def machine_facts() -> dict[str, str]:
    """Processor, libraries, threads."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.is_file() else []
    table = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = (table.get("flags") or table.get("features") or "").split()
    return {
        "processor": " ".join(filter(None, (platform.machine(), table.get("model name")))),
        "cache": table.get("cache size", ""),
        "flags": " ".join(sorted(flag for flag in flags if flag.startswith(FLAGS))),
        "torch kernels": torch.backends.cpu.get_cpu_capability(),
        "threads": "1",
        **{name: version(name) for name in PACKAGES},
        **{name: os.environ.get(name, "") for name in VARIABLES},
    }


def array_sum(values: np.ndarray) -> str:
    """sha256 of an array's shape, number format and values, [c, y, x] in that order, little-endian."""
    plain = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{plain.shape} {plain.dtype.str}".encode())
    digest.update(plain.tobytes())
    return digest.hexdigest()


def store_sums(store: RunStore) -> Sums:
    """Of the latents that a run kept, which the last step's are among, and of its pixels."""
    names, step = {}, 0
    while store.has_array(latent_name(step)):
        names[f"latents {step}"] = latent_name(step)
        step += 1
    arrays = {label: store.open_array(name) for label, name in (*names.items(), ("pixels", OUT))}
    return {label: array_sum(array.read(array.grid.canvas)) for label, array in arrays.items() if array.regions()}


def run_cell(cell: Cell, inputs: Inputs, folder: Path) -> Sums:
    """Run a cell's command in ``folder``; raises RuntimeError with what it printed where it fails."""
    recipe, output = folder / "recipe.toml", folder / "out.png"
    recipe.write_text(cell.toml)
    words = ["upscale", inputs.path(cell.picture)] if cell.picture else ["generate", cell.prompt]
    words += [str(output), "--model", inputs.path(cell.model), "--recipe", str(recipe)]
    words += ["--scale", str(cell.scale)] if cell.picture else ["--size", cell.size]
    for option, name in cell.given.items():
        words += [option, name if option == "--compat" else inputs.path(name)]
    result = CliRunner().invoke(app, [*words, "--workers", "0", "--threads", "1", "--device", "cpu"])
    if result.exit_code == STOPPED:
        raise KeyboardInterrupt
    if result.exit_code:
        raise RuntimeError(f"gigatile {' '.join(words)}: {result.output.strip()[-600:]}") from result.exception
    run = f"{output}.run"
    if cell.picture:
        return store_sums(RunStore.open(run))
    sums, index = {}, 0
    while run_exists(stage_url(run, index)):
        found = store_sums(RunStore.open(stage_url(run, index)))
        sums |= {f"stage {index + 1} {label}": value for label, value in found.items()}
        index += 1
    return sums


def run_cells(cells: Sequence[Cell]) -> tuple[dict[str, Sums], dict[str, str], dict[str, str]]:
    """Sums by cell, the models' weights, and by cell what went wrong; tells on stderr how far it is."""
    found: dict[str, Sums] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as made:
        inputs = Inputs(Path(made))
        for place, cell in enumerate(cells, 1):
            started, failure = time.process_time(), ""
            try:
                with tempfile.TemporaryDirectory() as folder:
                    found[cell.name] = run_cell(cell, inputs, Path(folder))
            except RuntimeError as e:
                failed[cell.name] = failure = " ".join(str(e).split())
            told = failure and f", fails: {failure}"
            seconds = time.process_time() - started
            print(f"{place} of {len(cells)}: {cell.name}, {seconds:.1f} s of CPU{told}", file=sys.stderr, flush=True)
        return found, inputs.weights(), failed


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Keys whose values differ, or that one side lacks, in the order of ``before``."""
    return [key for key in {**before, **now} if before.get(key) != now.get(key)]


def refusal(before: dict[str, str], now: dict[str, str]) -> str | None:
    """One line where bytes cannot be compared; None where they can."""
    other = differences(before, now)
    if not other:
        return None
    told = "; ".join(f"{key} was {before.get(key, '')!r}, is {now.get(key, '')!r}" for key in other)
    return f"made on another machine ({told}): write the file again here, from the commit to compare with"


def report(before: Record, found: dict[str, Sums], weights: dict[str, str], failed: dict[str, str]) -> list[str]:
    """A line for each cell of ``before`` that differs and for each model of other weights."""
    lines = [
        f"model {name}: other weights than before: tests/tiny*.py or another file that makes it has changed"
        for name in sorted(weights.keys() & before.weights.keys())
        if weights[name] != before.weights[name]
    ]
    for name, sums in before.cells.items():
        if name in failed:
            lines.append(f"{name}: fails: {failed[name]}")
        elif name not in found:
            lines.append(f"{name}: no such cell any more")
        elif other := differences(sums, found[name]):
            lines.append(f"{name}: {other[0]} differs first, {len(other)} of {len(sums | found[name])} in all")
    return lines


def chosen(names: Sequence[str], pattern: str | None) -> list[str]:
    """Those that a pattern matches; raises ValueError where there are none."""
    found = [name for name in names if pattern is None or fnmatch.fnmatchcase(name, pattern)]
    if not found:
        raise ValueError(f"--only {pattern}: matches no cell; they are called such as {', '.join(names[:3])}")
    return found


Runner = Callable[[Sequence[Cell]], tuple[dict[str, Sums], dict[str, str], dict[str, str]]]


def write(path: Path, only: str | None, run: Runner = run_cells) -> int:
    """Make a record; cells that fail are named and not in it. Returns the exit code.

    With ``only`` a record that is there already, of this machine, keeps its other cells.
    """
    names = chosen([cell.name for cell in all_cells()], only)
    old = Record.read(path) if only and path.exists() else Record(facts=machine_facts(), weights={}, cells={})
    refused = refusal(old.facts, machine_facts())
    if refused:
        print(f"{path}: {refused}")
        return 2
    found, weights, failed = run([cell for cell in all_cells() if cell.name in names])
    kept = {name: sums for name, sums in old.cells.items() if name not in names}
    record = Record(facts=machine_facts(), weights=old.weights | weights, cells=kept | found)
    path.write_text(json.dumps(asdict(record), indent=1) + "\n")
    for name, text in failed.items():
        print(f"{name}: fails: {text}")
    print(f"wrote {path}: {len(found)} of {len(names)} cells")
    return 1 if failed else 0


def compare(path: Path, only: str | None, run: Runner = run_cells, facts: dict[str, str] | None = None) -> int:
    """Run a record's cells again; ``facts``: of this machine, for tests. Returns the exit code."""
    before = Record.read(path)
    refused = refusal(before.facts, machine_facts() if facts is None else facts)
    if refused:
        print(f"{path}: {refused}")
        return 2
    names = chosen(list(before.cells), only)
    before = Record(facts=before.facts, weights=before.weights, cells={name: before.cells[name] for name in names})
    cells = all_cells()
    found, weights, failed = run([cell for cell in cells if cell.name in names])
    lines = report(before, found, weights, failed)
    for line in lines:
        print(line)
    fresh = [cell.name for cell in cells if cell.name not in Record.read(path).cells]
    if fresh:
        print(f"not compared, since {path} lacks them: {', '.join(fresh)}")
    num_equal = sum(found.get(name) == sums for name, sums in before.cells.items())
    print(f"{num_equal} of {len(names)} cells equal")
    return 1 if lines else 0


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("write", "compare"))
    parser.add_argument("file", type=Path, metavar="FILE.json")
    parser.add_argument("--only", metavar="GLOB", help="cells whose names match, such as 'words/*'")
    options = parser.parse_args(words)
    does: dict[str, Any] = {"write": write, "compare": compare}
    try:
        return int(does[options.command](options.file, options.only))
    except (ValueError, OSError) as e:
        print(f"benchmarks.bytes: error: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
