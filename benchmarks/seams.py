"""Do tiles leave seams: ``python -m benchmarks.seams --side 768 --recipes steps=1 steps=2 --out runs/seams``.

A seam score depends on what the picture shows at the tiles' borders. Here the same recipe runs with tiles and in one
window over the whole crop, both are measured at the same lines, and the quotient is what the tiles did. Writes
seams.json into --out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.likeness import seam_sums
from benchmarks.methods import recipe_method
from benchmarks.pictures import Example, add_picture_options, describe_code, load_examples
from benchmarks.quality import PERIOD, borders


def compare(examples: list[Example], words: str, model: str, threads: int) -> dict[str, Any]:
    """Seam scores with tiles and without, over all pictures, and their quotient."""
    window = max(examples[0].low.shape[1:])
    tiled, whole = (
        recipe_method(recipe, model=model, threads=threads) for recipe in (words, f"{words} window={window}")
    )
    sums = {"tiled": [0.0, 0.0], "untiled": [0.0, 0.0]}
    for example in examples:
        with_tiles, without = tiled(example.low), whole(example.low)
        assert with_tiles.plan is not None
        period = PERIOD if example.strength.jpeg else with_tiles.plan.geometry.factor
        for name, found in (("tiled", with_tiles), ("untiled", without)):
            across, beside = seam_sums(found.pixels, *borders(with_tiles.plan), period)
            sums[name][0] += across
            sums[name][1] += beside
    scores = {name: across / beside for name, (across, beside) in sums.items()}
    return {"recipe": words, **scores, "quotient": scores["tiled"] / scores["untiled"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_picture_options(parser, side=768)
    parser.add_argument("--recipes", nargs="*", default=["steps=1", "steps=2", "steps=8"])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--out", type=Path, default=Path("runs/seams"))
    options = parser.parse_args()
    examples, rows = load_examples(options), []
    for degradation in options.degradations:
        here = [example for example in examples if example.degradation == degradation]
        for words in options.recipes:
            rows.append({"degradation": degradation, **compare(here, words, options.model, options.threads)})
            print(json.dumps(rows[-1]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "seams.json").write_text(json.dumps({**describe_code(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
