"""Which small faults do the tests notice? ``python -m benchmarks.mutants --count 200 --out mutants.json``

Puts small faults into the modules of SCOPE (benchmarks/mutation/scope.py), one at a time, in a copy of the tree, and
runs the tests that mirror the module: a fault that all of them pass lives. Tried are a sample of all faults that the
syntax tree allows, seeded and spread over modules and kinds, and those that were written down
(benchmarks/mutation/holes.toml: what must not go unnoticed). ``--by fast`` asks all quick tests where those that
mirror the module notice nothing. Prints a table by module, the faults that live, and their share.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.mutation.faults import Fault, derive, parses, sample, without_equivalents, written
from benchmarks.mutation.sandbox import Sandbox
from benchmarks.mutation.scope import SCOPE, fingerprint, mirror, modules, room_of
from benchmarks.mutation.source import Source
from benchmarks.mutation.watching import Calls

ROOT = Path(__file__).resolve().parent.parent
ALONE = "not ray and not chaos"
FAST = "not ray and not chaos and not slow"
LIMIT_FACTOR, LIMIT_S = 3, 20
"""a run with a fault may take so many times as long as without, and so many seconds beside"""
CPU_FACTOR, CPU_S = 3, 10
"""the same of the processor's seconds, which other processes do not lengthen"""
BASELINE_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a fault."""

    fault: Fault
    lives: bool
    by: str
    """the test that noticed it, or why none could"""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Tests that pass without a fault, and what they were seen to do."""

    words: list[str]
    """pytest's arguments"""
    limit: float
    cpu_limit: float
    calls: Calls


class Trial:
    """Runs the tests with one fault after another."""

    def __init__(self, sandbox: Sandbox, root: Path, *, by: str) -> None:
        self._sandbox, self._root, self._by = sandbox, root, by
        self._suites: dict[tuple[str, str], Suite] = {}
        self.red: dict[str, str] = {}
        """tests that fail without a fault, and the first of them that does: faults in their modules tell nothing"""

    def judge(self, fault: Fault) -> Result | None:
        """None where the tests fail without the fault already."""
        mirrored = mirror(self._root, fault.path)
        suites = [(mirrored, [mirrored, "-m", ALONE])] if mirrored else []
        suites += [("all fast tests", ["-m", FAST])] if self._by == "fast" else []
        result = Result(fault=fault, lives=True, by="no tests mirror the module", seconds=0.0)
        for name, words in suites:
            suite = self._suite(name, words, fault.path)
            if suite is None:
                return None
            result = self._try(fault, suite, result.seconds)
            if not result.lives:
                break
        return result

    def _try(self, fault: Fault, suite: Suite, seconds: float) -> Result:
        """Only the tests that call the function are run; ``seconds``: what other suites took before."""
        data = (self._root / fault.path).read_bytes()
        passed_over, are_all = suite.calls.never(Source(data).function(fault.start, fault.end))
        if are_all:
            return Result(fault=fault, lives=True, by="no test calls it", seconds=seconds)
        with self._sandbox.changed(fault.path, fault.apply(data)):
            found = self._sandbox.test(
                suite.words, limit=suite.limit, cpu_limit=suite.cpu_limit, passed_over=passed_over
            )
        by = "nothing" if found.passed else found.failed
        return Result(fault=fault, lives=found.passed, by=by, seconds=seconds + found.seconds)

    def _suite(self, name: str, words: list[str], path: str) -> Suite | None:
        """These tests, once they were run without a fault; None where they fail then."""
        if name in self.red:
            return None
        if (name, path) not in self._suites:
            found, calls = self._sandbox.learn(words, path, limit=BASELINE_S)
            if not found.passed:
                self.red[name] = found.failed
                said = self._sandbox.output()[-3000:]
                print(f"{name}: fails without a fault, at {found.failed}:\n{said}", file=sys.stderr)
                return None
            self._suites[name, path] = Suite(
                words=words,
                limit=LIMIT_FACTOR * found.seconds + LIMIT_S,
                cpu_limit=CPU_FACTOR * found.cpu_seconds + CPU_S,
                calls=calls,
            )
        return self._suites[name, path]


def choose(root: Path, options: argparse.Namespace) -> tuple[list[Fault], list[str]]:
    """The faults to try, and a line for each written one that is not to be found any more."""
    paths = modules(root, options.only)
    texts = {path: (root / path).read_bytes() for path in paths}
    faults = without_equivalents((fault for path in paths for fault in derive(path, texts[path])), root)
    drawn = [one for one in sample(faults, seed=options.seed, count=options.count) if parses(one, texts[one.path])]
    listed, lost = written(root)
    if options.only != "*":
        listed = [fault for fault in listed if fault.path in paths]
    return sorted([*drawn, *listed], key=lambda fault: (fault.path, fault.kind == "written", fault.start)), lost


def try_all(
    faults: list[Fault], trial: Trial, known: dict[Fault, Result], keep: Callable[[list[Result]], None]
) -> list[Result]:
    """``known`` are results of an earlier run; ``keep`` is given all results so far after each."""
    results: list[Result] = []
    for number, fault in enumerate(faults, 1):
        if (result := known.get(fault) or trial.judge(fault)) is None:
            continue
        results.append(result)
        verdict = "LIVES " if result.lives else "killed"
        print(f"{number}/{len(faults)} {verdict} {result.seconds:5.1f} s  {fault}  [{result.by}]", file=sys.stderr)
        keep(results)
    return results


def table(results: list[Result]) -> str:
    """A row a module and a row a room."""
    lines = ["| module | faults | noticed | live |", "|---|---:|---:|---:|"]
    rooms: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for one in results:
        rooms[room_of(one.fault.path)][one.fault.path].append(one)
    order = [*SCOPE, *sorted(rooms.keys() - SCOPE.keys())]
    for room in (room for room in order if room in rooms):
        rows = [(path, rooms[room][path]) for path in sorted(rooms[room])]
        everything = [one for _, here in rows for one in here]
        for name, here in [*rows, (f"**{room}**", everything)]:
            lives = sum(one.lives for one in here)
            lines.append(f"| {name} | {len(here)} | {len(here) - lives} | {lives} |")
    return "\n".join(lines)


def closing(results: list[Result]) -> str:
    """The share that lives, of all, of those drawn and of those written."""

    def share(some: list[Result]) -> str:
        lives = sum(one.lives for one in some)
        return f"{lives} of {len(some)} ({100 * lives / max(1, len(some)):.1f} %)"

    listed = [one for one in results if one.fault.kind == "written"]
    drawn = [one for one in results if one.fault.kind != "written"]
    return f"survived {share(results)}: drawn {share(drawn)}, written {share(listed)}"


def report(results: list[Result], lost: list[str], red: dict[str, str]) -> str:
    lines = [table(results), ""]
    lines += [str(one.fault) + f"  [{one.by}]" for one in results if one.lives]
    lines += [f"LOST written fault {line}" for line in lost]
    lines += [f"RED without a fault: {name} at {test}: no fault was tried on it" for name, test in red.items()]
    return "\n".join([*lines, closing(results)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help=f"a glob of paths, or a room: {', '.join(SCOPE)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200, help="faults drawn, beside those written")
    parser.add_argument("--by", choices=("mirrored", "fast"), default="mirrored")
    parser.add_argument("--list", action="store_true", help="print the faults and try none")
    parser.add_argument("--root", type=Path, default=ROOT, help="another tree than this one")
    parser.add_argument("--out", type=Path, help="what becomes of each fault, as JSON, from the first one on")
    parser.add_argument("--resume", action="store_true", help="take over what --out tells of this very tree")
    options = parser.parse_args()
    root = options.root.resolve()
    faults, lost = choose(root, options)
    if options.list:
        print("\n".join([*map(str, faults), *(f"LOST written fault {line}" for line in lost)]))
        return 1 if lost else 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        sandbox = Sandbox(root, Path(folder) / "sandbox")
        paths = sorted({fault.path for fault in faults})
        threads = sandbox.warm([*paths, *filter(None, (mirror(root, path) for path in paths))])
        print(f"{len(faults)} faults in {len(paths)} modules; {threads} threads when warm", file=sys.stderr)
        trial = Trial(sandbox, root, by=options.by)
        tree = fingerprint(root)
        known = _known(options.out, tree) if options.resume else {}
        results = try_all(faults, trial, known, lambda done: _keep(options, tree, done))
    print(report(results, lost, trial.red))
    return 1 if lost or trial.red else 0


def _keep(options: argparse.Namespace, tree: str, results: list[Result]) -> None:
    if options.out:
        record = {"seed": options.seed, "count": options.count, "by": options.by, "only": options.only, "tree": tree}
        record |= {"closing": closing(results), "results": [asdict(one) for one in results]}
        options.out.write_text(json.dumps(record, indent=1) + "\n")


def _known(out: Path | None, tree: str) -> dict[Fault, Result]:
    """What an earlier run on the same tree found; nothing where there was none."""
    record = json.loads(out.read_text()) if out is not None and out.exists() else {}
    if record.get("tree") != tree:
        return {}
    results = [Result(**{**one, "fault": Fault(**one["fault"])}) for one in record["results"]]
    return {one.fault: one for one in results}


if __name__ == "__main__":
    sys.exit(main())
