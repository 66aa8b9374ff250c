"""How good are the embedded model's parts: ``python -m benchmarks.parts --data ../shared/data/eval --out runs/parts``.

Measures the autoencoder alone, the tagger's words against what was done to crops, the confidence against the true
error, the ControlNet, what is added to even fields, and right prompts against wrong ones through the whole engine.
Writes parts.md and parts.json into --out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.likeness import consistency, gmsd, haarpsi, psnr
from benchmarks.methods import recipe_method
from benchmarks.pictures import Example, add_picture_options, centre_crop, find_pictures, load_examples
from pipeline.geometry.noise import keyed_noise
from pipeline.imaging.canny import canny_edges
from pipeline.models.card import ModelCard
from pipeline.models.protocol import Conditioning
from pipeline.models.registry import describe_model, load_backbone
from pipeline.sampling.solver import build_solver
from storage.box import Box
from training.degradations import SCALE, degrade, enlarge

KINDS, LEVELS = ("blur", "noise", "jpeg"), ("none", "slight", "strong")
CROP = 128
"""input pixels a side of the crops that are tagged: a tile of the default window"""


def autoencoder(backbone: Any, truths: list[torch.Tensor]) -> dict[str, Any]:
    """PSNR of decode(encode(x)) in dB, and mean and variance of each normalised latent channel."""
    found, latents = [], []
    for truth in truths:
        z = backbone.encode(truth[None])
        found.append(psnr(backbone.decode(z)[0].clamp(0, 1), truth))
        latents.append(z[0].flatten(1))
    whole = torch.cat(latents, 1)
    return {
        "psnr": found,
        "psnr_mean": float(np.mean(found)),
        "latent_means": [round(float(v), 3) for v in whole.mean(1)],
        "latent_variances": [round(float(v), 3) for v in whole.var(1)],
    }


def tagging(backbone: Any, truths: list[torch.Tensor], count: int, seed: int) -> dict[str, Any]:
    """Confusion tables: rows what was done, columns what was said. ``clean`` apart: said where nothing was done."""
    tables = {kind: np.zeros((3, 3), dtype=int) for kind in KINDS} | {"clean": np.zeros((2, 2), dtype=int)}
    for low, done in _crops(truths, count, seed):
        said = [phrase for phrase, _ in backbone.tag(low)[0]]
        true = done.words()
        for kind in KINDS:
            tables[kind][_level(kind, true), _level(kind, said)] += 1
        tables["clean"][int("clean" in true), int("clean" in said)] += 1
    return {name: table.tolist() for name, table in tables.items()}


def _level(kind: str, words: list[str]) -> int:
    """0 none, 1 slight, 2 strong; the stronger where both are said."""
    return 2 if f"strong {kind}" in words else 1 if f"slight {kind}" in words else 0


def _crops(truths: list[torch.Tensor], count: int, seed: int) -> Iterator[tuple[torch.Tensor, Any]]:
    rng, side = np.random.default_rng(seed), CROP * SCALE
    for number in range(count):
        truth = truths[number % len(truths)]
        top, left = (int(rng.integers(0, size - side + 1)) for size in truth.shape[1:])
        low, (done,) = degrade(truth[None, :, top : top + side, left : left + side], rng)
        yield low, done


def confidence(backbone: Any, examples: list[Example]) -> dict[str, Any]:
    """Spearman's rank correlation of the confidence and the true squared error under each input pixel."""
    rows: dict[str, list[float]] = {}
    for example in examples:
        words = backbone.steering([dict(backbone.tag(example.low[None])[0])])
        restored, trust = backbone.restore(example.low[None], words[:, :, None, None])
        error = ((restored[0] - example.truth) ** 2).mean(0)[None, None]
        error = torch.nn.functional.avg_pool2d(error, SCALE).flatten()
        rank = float(spearmanr(trust.flatten().numpy(), error.numpy()).statistic)
        rows.setdefault(example.degradation, []).append(rank)
    return {name: {"mean": float(np.mean(ranks)), "each": ranks} for name, ranks in rows.items()}


def wrong_words(right: list[str]) -> list[str]:
    """The opposite of what was done: a clean picture called ruined, and any other called clean.

    >>> wrong_words(["strong blur", "slight noise"])
    ['clean']
    """
    return ["strong blur", "strong noise", "strong jpeg"] if right == ["clean"] else ["clean"]


def prompting(examples: list[Example], recipe: str, model: str, threads: int) -> dict[str, Any]:
    """Gains of the right words over the wrong ones and over silence: mean, and in how many pictures they win."""
    rows = []
    for example in examples:
        right = example.strength.words()
        found = {}
        for name, words in (("right", right), ("wrong", wrong_words(right)), ("silent", [])):
            phrase = ",_".join(words).replace(" ", "_")
            run = recipe_method(f"{recipe} prompts=global prompt={phrase}", model=model, threads=threads)
            pixels = run(example.low).pixels
            found[name] = {
                "PSNR": psnr(pixels, example.truth),
                "GMSD": gmsd(pixels, example.truth),
                "HaarPSI": haarpsi(pixels, example.truth),
            }
        rows.append({"image": f"{example.group}/{example.name}", "degradation": example.degradation, **found})
    summary: dict[str, Any] = {}
    for against in ("wrong", "silent"):
        for name, sign in (("PSNR", 1), ("GMSD", -1), ("HaarPSI", 1)):
            gains = [sign * (row["right"][name] - row[against][name]) for row in rows]
            summary[f"{name}, right over {against}"] = {
                "mean gain": float(np.mean(gains)),
                "pictures won": f"{sum(gain > 0 for gain in gains)} of {len(gains)}",
            }
    return {"recipe": recipe, "summary": summary, "rows": rows}


def even_fields(recipes: list[str], model: str, threads: int) -> list[dict[str, Any]]:
    """What is added to fields without any texture: shift and deviation, in levels of 255, the worst of R, G, B.

    Black, two greys, white, paper and a blue sky that grows lighter downwards; the sky's own slope is taken away.
    """
    slope = torch.linspace(0, 0.25, 96).view(1, 96, 1).expand(3, 96, 96)
    colours = {"black": (0, 0, 0), "grey 0.25": (0.25,) * 3, "grey 0.5": (0.5,) * 3, "white": (1, 1, 1)}
    colours |= {"paper": (0.96, 0.93, 0.86)}
    fields = {name: torch.tensor(rgb).float().view(3, 1, 1).expand(3, 96, 96) for name, rgb in colours.items()}
    fields["sky"] = torch.tensor((0.35, 0.55, 0.75)).view(3, 1, 1) + slope
    found = []
    for words in recipes:
        run = recipe_method(words, model=model, threads=threads)
        for name, field in fields.items():
            low = (field * 255).round() / 255
            added = (run(low).pixels - enlarge(low[None])[0])[:, 96:-96, 96:-96] * 255
            shift, deviation = added.mean((1, 2)).abs().max(), added.std((1, 2)).max()
            found.append({"recipe": words, "field": name, "shift": float(shift), "deviation": float(deviation)})
    return found


def structure(backbone: Any, card: ModelCard, examples: list[Example], steps: int = 8) -> dict[str, Any]:
    """Pictures from the tagger's words alone, without the coarse latent: what the ControlNet's two inputs add.

    PSNR in dB of each, averaged down to the input's size, against the input: how much of the layout came through.
    """
    found: dict[str, list[float]] = {"words alone": [], "image": [], "edges": [], "both": []}
    for example in examples:
        both = {"image": enlarge(example.low[None]), "edges": canny_edges(example.truth)[None]}
        inputs = {"words alone": None, **{name: {name: one} for name, one in both.items()}, "both": both}
        words = ", ".join(phrase for phrase, _ in backbone.tag(example.low[None])[0])
        for name, given in inputs.items():
            found[name].append(
                consistency(_generate(backbone, card, words, given, example.low.shape, steps), example.low)
            )
    return {name: float(np.mean(values)) for name, values in found.items()}


def _generate(
    backbone: Any,
    card: ModelCard,
    words: str,
    given: dict[str, torch.Tensor] | None,
    shape: torch.Size,
    steps: int,
) -> torch.Tensor:
    """[3, y, x]: a sample from words and structure; its latents have the input's height and width."""
    solver = build_solver("ddim", card.scheduler, steps=steps)
    box = Box(top=0, left=0, height=shape[1], width=shape[2])
    z = solver.start(torch.from_numpy(keyed_noise(box, channels=card.geometry.channels, seed=0, stage=0, draw=0)), None)
    conditioning = Conditioning(text=backbone.embed([words])["text"], structure=given)
    for step in range(steps):
        seen = solver.scale_input(z[None], step)
        z, _ = solver.step(step, z, backbone.predict(seen, solver.timestep(step), conditioning)[0])
    return backbone.decode(z[None])[0].clamp(0, 1)


def to_markdown(record: dict[str, Any]) -> str:
    auto = record["autoencoder"]
    text = ["## Autoencoder alone", f"PSNR {auto['psnr_mean']:.2f} dB mean; by picture {_numbers(auto['psnr'], 2)}"]
    text += [f"variances of the latent channels {_numbers(auto['latent_variances'], 2)}", "## Tagger"]
    for kind in KINDS:
        text.append(_confusion(kind, list(LEVELS), record["tagging"][kind]))
    text.append(_confusion("clean", ["no", "yes"], record["tagging"]["clean"]))
    text.append("## Confidence against true squared error, Spearman's rank correlation")
    text += [
        f"{name}: {found['mean']:.2f} mean; by picture {_numbers(found['each'], 2)}"
        for name, found in record["confidence"].items()
    ]
    for found in record["prompting"]:
        text += [
            f"## Right prompts against wrong ones, `{found['recipe']}`",
            "| | mean gain | pictures won |\n|---|---|---|",
        ]
        for name, line in found["summary"].items():
            text[-1] += f"\n| {name} | {line['mean gain']:+.4f} | {line['pictures won']} |"
    return "\n\n".join(text) + "\n"


def _numbers(values: list[float], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _confusion(name: str, levels: list[str], table: list[list[int]]) -> str:
    lines = [f"| {name}: done / said | " + " | ".join(levels) + " |", "|---" * (len(levels) + 1) + "|"]
    lines += [f"| {level} | " + " | ".join(map(str, row)) + " |" for level, row in zip(levels, table, strict=True)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_picture_options(parser, side=512)
    parser.add_argument("--crops", type=int, default=420, help="crops that are tagged")
    parser.add_argument("--recipes", nargs="*", default=["steps=1", "steps=2"])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--out", type=Path, default=Path("runs/parts"))
    options = parser.parse_args()
    examples, paths = load_examples(options), find_pictures(options.data, options.sets)
    card = describe_model(options.model)
    backbone: Any = load_backbone(card, device="cpu", dtype=card.defaults.dtype)
    middle = [example.truth for example in examples if example.degradation == "clean"]
    large = [centre_crop(p, 4096, bool(options.halved) and p.parent.name.startswith(options.halved)) for p in paths]
    record = {
        "autoencoder": autoencoder(backbone, middle),
        "tagging": tagging(backbone, large, options.crops, options.seed),
        "confidence": confidence(backbone, examples),
        "structure": structure(backbone, card, [example for example in examples if example.degradation == "clean"]),
        "even fields": even_fields(options.recipes, options.model, options.threads),
        "prompting": [prompting(examples, words, options.model, options.threads) for words in options.recipes],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "parts.json").write_text(json.dumps(record, indent=1) + "\n")
    (options.out / "parts.md").write_text(to_markdown(record))
    print(to_markdown(record))


if __name__ == "__main__":
    main()
