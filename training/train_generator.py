"""Train the generator: ``python training/train_generator.py --data FOLDER --out FOLDER``.

Pictures from words alone: pipeline/models/embedded/generator.py imagines the coarse latent that the denoiser, which
stays as it is, needs. It learns the velocity of the colours of noisy latents under the words of the vocabulary, whose
embeddings are its own. Most windows are composites of two to four crops under the union of their words, and beside the
diffusion loss each word's cross-attention map (pipeline/models/attention/word_maps.py) is told where the word holds: so
words come to mean places, which prompts from attention need (AccDiffusion, arXiv 2407.10738). The same command resumes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crops import Crops, load_pictures
from loop import Loop, fast_numbers, parse_options
from pairs import Pairs, load_autoencoder, make_pairs
from torch.nn import functional
from train_controlnet import load_denoiser
from train_denoiser import WIDTHS, build_scheduler
from vocabulary import CONTENT, TOKENS, build_tokenizer

from pipeline.models.attention.word_maps import record_words
from pipeline.models.embedded.generator import COLOURS, REACH, Generator
from pipeline.models.protocol import WordMaps

OWN_WIDTHS = (32, 64, 96)
POOL_SIDE = 64
"""latent pixels a side of the crops that windows are cut from"""
WATER_SHARE = 0.15
"""share of the crops that show water: satellite scenes alone say where it is, and it is rare in them"""
PARTS = (1, 2, 3, 4)
PARTS_SHARE = (0.35, 0.4, 0.1, 0.15)
"""crops in a window, and how often"""
SIDES_SHARE = (0.6, 0.25, 0.15)
"""how often a batch has windows of the side, of one and a half, and of twice as much"""
SILENT_SHARE = 0.12
CLEAN_SHARE = 0.25
"""share of the prompts that also say that the picture is clean: all are"""
FIRST_SHARE = 0.1
"""share of the samples at the first timestep"""
MOST = 10
"""phrases of a prompt, which with their commas fill its tokens"""
LOOK_WEIGHT = 0.5
"""of the loss on attention maps, beside the diffusion loss"""
EMA = 0.995


@dataclass(slots=True)
class Pool:
    """Latents of crops, [n, c, POOL_SIDE, POOL_SIDE] float16, normalised a channel, with the words of each."""

    latents: torch.Tensor
    words: list[list[str]]
    showing: list[list[int]] = field(init=False)
    """crops that show each word of CONTENT that any crop shows"""

    def __post_init__(self) -> None:
        found = ([i for i, said in enumerate(self.words) if word in said] for word in CONTENT)
        self.showing = [crops for crops in found if crops]

    def choose(self, rng: np.random.Generator, count: int) -> list[int]:
        """Half by a word, so that rare ones are seen, half at random."""
        return [
            int(rng.choice(self.showing[rng.integers(len(self.showing))]))
            if rng.random() < 0.5
            else int(rng.integers(len(self.words)))
            for _ in range(count)
        ]


@torch.inference_mode()
def fill_pool(data: Path, out: Path, count: int, seed: int, device: str, mean: Any, std: Any) -> Pool:
    """``count`` crops, encoded once."""
    pictures, rng = load_pictures(data), np.random.default_rng(seed)
    anything = Crops(pictures, rng)
    scenes = [picture for picture in pictures if picture.kind == "satellite"]
    autoencoder = load_autoencoder(out, device).to(memory_format=torch.contiguous_format)
    latents, words = [], []
    for _ in range(0, count, 8):
        water = bool(scenes) and rng.random() < WATER_SHARE
        drawn, said = _draw_water(Crops(scenes, rng)) if water else anything.draw_described(8, POOL_SIDE * 4)
        with fast_numbers(device):
            encoded = autoencoder.encode(drawn.clamp(0, 1).to(device) * 2 - 1).latent.float().cpu()
        latents.append(((encoded - mean) / std).half())
        words += said
    return Pool(torch.cat(latents), words)


def _draw_water(scenes: Crops, tries: int = 200) -> tuple[torch.Tensor, list[list[str]]]:
    """Up to 8 crops with water, of half the side (lakes are small), mirrored to the whole side."""
    drawn, said = scenes.draw_described(tries, POOL_SIDE * 2)
    # the ones drawn and not found are few: a scene without water gives what it has
    found = ([i for i, words in enumerate(said) if "water" in words] or list(range(8)))[:8]
    margin = (POOL_SIDE, POOL_SIDE - 1, POOL_SIDE, POOL_SIDE - 1)
    whole = functional.pad(drawn[found], margin, mode="reflect")
    return functional.pad(whole, (0, 1, 0, 1), mode="replicate"), [said[i] for i in found]


def part_weights(rng: np.random.Generator, parts: int, side: int) -> torch.Tensor:
    """[parts, side, side], summing to one: sectors round the middle with straight borders, some soft, some hard."""
    angles = rng.uniform(0, 2 * np.pi) + np.arange(parts) * 2 * np.pi / parts + rng.uniform(-0.4, 0.4, parts)
    reach = rng.uniform(0.25, 0.5) * side
    middle = side / 2 + rng.uniform(-0.15, 0.15, 2) * side
    y, x = np.mgrid[:side, :side] + 0.5
    far = [
        (y - middle[0] - reach * np.sin(angle)) ** 2 + (x - middle[1] - reach * np.cos(angle)) ** 2 for angle in angles
    ]
    softness = rng.choice([0.3, 1.5, 4.0]) * reach
    return torch.from_numpy(-np.stack(far) / softness).softmax(0).float()


@dataclass(slots=True)
class Batch:
    clean: torch.Tensor
    """[b, c, y, x]: latents"""
    prompts: list[str]
    holds: torch.Tensor
    """[b, TOKENS, y / 4, x / 4]: how far each token's word holds there; zeros where a token is no word"""


def draw_batch(pool: Pool, rng: np.random.Generator, batch: int, side: int) -> Batch:
    clean, prompts, holds = [], [], torch.zeros(batch, TOKENS, side // 4, side // 4)
    for row in range(batch):
        parts = int(rng.choice(PARTS, p=PARTS_SHARE))
        chosen, weights = pool.choose(rng, parts), part_weights(rng, parts, side)
        places = rng.integers(0, POOL_SIDE - side + 1, (parts, 2))
        cut = [pool.latents[i, :, y : y + side, x : x + side] for i, (y, x) in zip(chosen, places, strict=True)]
        clean.append((torch.stack(cut).float() * weights[:, None]).sum(0))
        said = [set(pool.words[i]) & set(CONTENT) for i in chosen]
        phrases = _say(set().union(*said), rng)
        small = functional.avg_pool2d(weights[None], 4)[0]
        for place, phrase in enumerate(phrases):
            held = torch.tensor([float(phrase in words or phrase == "clean") for words in said])
            # the start, then a word and a comma for each
            holds[row, 1 + 2 * place] = (small * held[:, None, None]).sum(0)
        prompts.append(", ".join(phrases))
    return Batch(torch.stack(clean), prompts, holds)


def _say(words: set[str], rng: np.random.Generator) -> list[str]:
    """Some of the words in any order, all of them in some prompts and few in others."""
    if rng.random() < SILENT_SHARE:
        return []
    keep = rng.uniform(0.3, 1.0)
    kept = [word for word in sorted(words) if rng.random() < keep]
    kept += ["clean"] if rng.random() < CLEAN_SHARE else []
    return [str(word) for word in rng.permutation(kept)][:MOST]


def look_loss(maps: torch.Tensor, holds: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Divergence of each word's map, as a distribution over places, from the even one over where the word holds.

    maps, holds [b, T, y, x]; weights [b]: how much each sample counts.

    >>> holds = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    >>> look_loss(holds * 0.3 + 1e-9, holds, torch.ones(1)) < 1e-6
    tensor(True)
    """
    wanted, seen = holds.flatten(2), maps.flatten(2)
    total = wanted.sum(2, keepdim=True)
    counts = (total[..., 0] > 0) * weights[:, None]
    wanted = wanted / total.clamp_min(1e-6)
    seen = seen / seen.sum(2, keepdim=True)
    divergence = (wanted * ((wanted + 1e-8).log() - (seen + 1e-8).log())).sum(2)
    return (divergence * counts).sum() / counts.sum().clamp_min(1e-6)


def draw_times(rng: np.random.Generator, batch: int) -> torch.Tensor:
    anywhere = rng.integers(0, 1000, batch)
    return torch.as_tensor(np.where(rng.random(batch) < FIRST_SHARE, 999, anywhere))


@torch.inference_mode()
def fit_lift(generator: Generator, made: Pairs) -> None:
    """Fit, by least squares, the convolution from the colours of a picture to all channels of its coarse latent."""
    margin = REACH // 2
    patches = functional.unfold(made.truth[:, :COLOURS].float(), REACH).transpose(1, 2).flatten(0, 1)
    inner = made.coarse[:, :, margin:-margin, margin:-margin].float().flatten(2).transpose(1, 2).flatten(0, 1)
    known = torch.cat([patches, torch.ones(len(patches), 1)], 1).double()
    # a little is added to the diagonal: even pictures leave directions open
    square = known.T @ known + 1e-3 * len(known) * torch.eye(known.shape[1], dtype=torch.float64)
    found = torch.linalg.solve(square, known.T @ inner.double()).float()
    generator.lift.weight.copy_(found[:-1].T.reshape(generator.lift.weight.shape))
    generator.lift.bias.copy_(found[-1])


def train(
    data: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    side: int,
    crops: int,
    rate: float,
    seed: int,
    device: str,
    widths: tuple[int, ...] = WIDTHS,
    own_widths: tuple[int, ...] = OWN_WIDTHS,
    **more: Any,
) -> Generator:
    """The averaged generator. ``widths``: the denoiser's. ``more`` goes to Loop: ``stop_after``, ``minutes``.

    Raises ValueError for a ``side`` whose half the U-Net cannot halve twice, or whose double exceeds the crops.
    """
    if side % 8 or not 0 < 2 * side <= POOL_SIDE:
        raise ValueError(f"--side must be a multiple of 8, {POOL_SIDE // 2} at most, got {side}")
    extra = load_denoiser(out, device, widths)[2]
    pool = fill_pool(data, out, crops, seed + 4, device, extra["mean"], extra["std"])
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Generator(widths=own_widths, vocabulary=len(build_tokenizer())).to(
        device, memory_format=torch.channels_last
    )
    slow = copy.deepcopy(model).requires_grad_(False)
    loop = Loop(
        out / "generator.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*model.unet.parameters(), *model.words.parameters()],
        states={"model": model, "average": slow},
        decay=1e-3,
        **more,
    )
    alphas, tokenizer = build_scheduler().alphas_cumprod, build_tokenizer()
    for _ in loop:
        share = int(rng.choice(3, p=SIDES_SHARE))
        fewer, larger = ((1, 2), (2, 3), (4, 4))[share]
        shown = draw_batch(pool, rng, max(1, batch // fewer), side * larger // 2)
        tokens = tokenizer(shown.prompts, padding="max_length", max_length=TOKENS, return_tensors="pt").input_ids
        times = draw_times(rng, len(tokens))
        squared, noise = alphas[times].view(-1, 1, 1, 1), torch.randn(shown.clean.shape)
        noisy = squared.sqrt() * shown.clean + (1 - squared).sqrt() * noise
        wanted = (squared.sqrt() * noise - (1 - squared).sqrt() * shown.clean)[:, :COLOURS]
        maps, seen = WordMaps(), noisy.to(device).contiguous(memory_format=torch.channels_last)
        with fast_numbers(device), record_words(model.unet, maps):
            answer = model.velocity(seen, times.to(device), model.words(tokens.to(device))).float()
        error = ((answer - wanted.to(device)) ** 2).mean()
        # in noise there is nothing to look at
        look = look_loss(maps.mean(), shown.holds.to(device), squared.flatten().sqrt().to(device))
        loop.descend(error + LOOK_WEIGHT * look)
        loop.average(slow, model, EMA)
        loop.report(loss=error.item(), look=look.item())
    if loop.ended:
        statistics = extra["mean"], extra["std"]
        sizes = {"count": max(16, crops // 8), "side": POOL_SIDE}
        fit_lift(slow, make_pairs(data, out, **sizes, seed=seed + 5, device=device, statistics=statistics))
        loop.save()
    return slow


def main() -> None:
    train(
        **parse_options(
            __doc__,
            steps=6000,
            batch=16,
            rate=1e-3,
            side=(32, "latent pixels a side of the smallest training window"),
            crops=(800, "crops encoded before training starts"),
        )
    )


if __name__ == "__main__":
    main()
