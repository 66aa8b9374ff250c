"""Replace a model by a better one, never by a worse: ``python -m benchmarks.promote --candidate runs/model``.

Both restore the same degraded pictures through the whole engine; PSNR and SSIM are taken at one step without detail,
where a model is most faithful, GMSD, HaarPSI and the spectrum at its default. The candidate is put in place only if it
wins most of these and loses none by more than its tolerance.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

from benchmarks.learned import Learned
from benchmarks.methods import recipe_method
from benchmarks.pictures import Example, add_picture_options, load_examples
from benchmarks.quality import BETTER, measure

FAITHFUL = "steps=1 detail=0.0"
"""where a model is most faithful"""
JUDGED = {
    "PSNR": (FAITHFUL, 0.1),
    "SSIM": (FAITHFUL, 0.005),
    "GMSD": ("", 0.002),
    "HaarPSI": ("", 0.005),
    "spectrum": ("", 0.5),
}
"""figure -> recipe at which it is taken, and by how much a candidate may lose it"""
KEPT = ("README.md", "LICENSE-Real-ESRGAN.txt")
"""files of the old model's folder that stay"""


def judge(examples: list[Example], model: str, threads: int) -> dict[str, float]:
    """Means of the judged figures over all examples."""
    found: dict[str, list[float]] = {name: [] for name in JUDGED}
    methods = {words: recipe_method(words, model=model, threads=threads) for words, _ in JUDGED.values()}
    for example in examples:
        figures = {words: measure(example, run(example.low), Learned()) for words, run in methods.items()}
        for name, (words, _) in JUDGED.items():
            found[name].append(figures[words][name])
    return {name: float(np.mean(values)) for name, values in found.items()}


def verdict(new: dict[str, float], old: dict[str, float]) -> tuple[bool, list[str]]:
    """Whether the candidate is better, and a line for each figure.

    >>> verdict({name: 1.0 for name in JUDGED}, {name: 1.0 for name in JUDGED})[0]
    False
    """
    lines, won, lost = [], 0, False
    for name, (_, tolerance) in JUDGED.items():
        gain = BETTER[name] * (new[name] - old[name])
        won += gain > 0
        lost = lost or gain < -tolerance
        lines.append(f"{name}: {new[name]:.4f} against {old[name]:.4f}, {'better' if gain > 0 else 'not better'}")
    return won > len(JUDGED) / 2 and not lost, lines


def replace(candidate: Path, to: Path) -> None:
    """Put the candidate's parts where the old ones were."""
    for path in to.iterdir() if to.is_dir() else ():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(candidate, to, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidate", type=Path, required=True, help="folder that training/export.py wrote")
    parser.add_argument("--to", type=Path, default=Path("pipeline/models/embedded/weights"))
    add_picture_options(parser, side=512)
    options = parser.parse_args()
    if not (options.candidate / "model_index.json").is_file():
        raise FileNotFoundError(f"no model in {options.candidate}: write one with training/export.py --to")
    examples = load_examples(options)
    new = judge(examples, str(options.candidate), options.threads)
    if not (options.to / "model_index.json").is_file():
        better, lines = True, [f"{options.to} holds no model"]
    else:
        better, lines = verdict(new, judge(examples, str(options.to), options.threads))
    print("\n".join(lines))
    if not better:
        sys.exit(f"{options.to} stays: the candidate is not better")
    replace(options.candidate, options.to)
    print(f"{options.to} is now {options.candidate}")


if __name__ == "__main__":
    main()
