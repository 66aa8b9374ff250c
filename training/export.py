"""Export trained parts in diffusers' format.

``python training/export.py --out FOLDER --to pipeline/models/embedded/weights``

Weights are stored as float16; the halos are measured, by how far the gradient of one latent (or of one latent's
pixels) reaches.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from degradations import shrink
from ip_adapter import adapter_modules, adapter_weights, new_adapter
from pages import draw_page
from pairs import load_autoencoder, load_restoration
from safetensors.torch import save_file
from train_controlnet import build_controlnet, load_denoiser
from train_denoiser import WIDTHS, build_scheduler
from train_detail import BLEND, GAIN
from vocabulary import PHRASES, build_tokenizer

from pipeline.models.embedded.detail import DENSES, DETAIL, DetailNetwork, high_frequencies
from pipeline.models.embedded.generator import Generator
from pipeline.models.embedded.tagger import Tagger
from pipeline.models.embedded.texture_encoder import TextureEncoder

FACTOR = 4
CLASSES = {
    "vae": ["diffusers", "AutoencoderDC"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "controlnet": ["diffusers", "ControlNetModel"],
    "restorer": ["pipeline.models.embedded.restoration", "RestorationModule"],
    "tagger": ["pipeline.models.embedded.tagger", "Tagger"],
    "texture_encoder": ["pipeline.models.embedded.texture_encoder", "TextureEncoder"],
    "generator": ["pipeline.models.embedded.generator", "Generator"],
    "scheduler": ["diffusers", "DDIMScheduler"],
}


def measure_halos(autoencoder: Any, side: int = 40) -> tuple[int, int]:
    """Encoder's and decoder's reach in latent pixels beyond a window, rounded up.

    By gradients in float64: the far end of the reach weighs about 1e-17 and is lost in the rounding of a change that is
    looked for in float32.
    """
    exact = copy.deepcopy(autoencoder).double().requires_grad_(False)
    middle = side // 2
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 16, side, side, generator=generator, dtype=torch.float64, requires_grad=True)
    pixels = torch.rand(1, 3, side * FACTOR, side * FACTOR, generator=generator, dtype=torch.float64)
    pixels = (pixels * 2 - 1).requires_grad_()
    window = slice(middle * FACTOR, (middle + 1) * FACTOR)
    (seen,) = torch.autograd.grad(exact.decode(latents).sample[..., window, window].sum(), latents)
    (felt,) = torch.autograd.grad(exact.encode(pixels).latent[..., middle, middle].sum(), pixels)
    return -(-_reach(felt, window.start, window.stop - 1) // FACTOR), _reach(seen, middle, middle)


def _reach(gradient: torch.Tensor, first: int, last: int) -> int:
    rows = (gradient != 0).any(3).any(1).any(0).nonzero().flatten()
    cols = (gradient != 0).any(2).any(1).any(0).nonzero().flatten()
    return int(max(first - min(rows[0], cols[0]), max(rows[-1], cols[-1]) - last))


def measure_means(autoencoder: Any, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """[3, c]: the mean colour of a latent pixel's block of pixels as a linear function of its normalised latent.

    By least squares over decoded noise: what one latent pixel does to its own block, its neighbours left out.
    """
    side, halo = 40, 12
    latents = torch.randn(2, mean.shape[1], side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        pixels = autoencoder.decode(latents * std + mean).sample.float()
    blocks = torch.nn.functional.avg_pool2d(pixels, FACTOR)
    inner = slice(halo, side - halo)
    known, wanted = (one[..., inner, inner].transpose(0, 1).flatten(1).double() for one in (latents, blocks))
    known, wanted = (one - one.mean(1, keepdim=True) for one in (known, wanted))
    return torch.linalg.lstsq(known.T, wanted.T).solution.T.float()


def load_tagger(out: Path) -> Tagger:
    tagger = Tagger(phrases=PHRASES)
    record = torch.load(out / "tagger.pt", weights_only=True)
    tagger.load_state_dict(record["average"])
    if thresholds := record["extra"].get("thresholds"):
        tagger.register_to_config(thresholds=tuple(thresholds))
    return tagger


def load_textures(out: Path, unet: Any) -> tuple[TextureEncoder, dict[str, torch.Tensor]]:
    """The texture encoder, and the adapter's averaged weights by the names of an IP-Adapter's file."""
    record = torch.load(out / "textures.pt", weights_only=True)
    width, features = record["encoder"]["components"].shape
    encoder = TextureEncoder(features=features, width=width)
    encoder.load_state_dict(record["encoder"])
    unet._load_ip_adapter_weights([new_adapter(unet, width, 0)], low_cpu_mem_usage=False)
    modules = adapter_modules(unet)
    modules.load_state_dict(record["average"])
    return encoder, adapter_weights(modules)


def load_generator(out: Path) -> Generator:
    record = torch.load(out / "generator.pt", weights_only=True)["average"]
    blocks = sorted({int(name.split(".")[2]) for name in record if name.startswith("unet.down_blocks")})
    widths = tuple(len(record[f"unet.down_blocks.{block}.resnets.0.conv2.weight"]) for block in blocks)
    generator = Generator(widths=widths, vocabulary=len(build_tokenizer()))
    generator.load_state_dict(record)
    return generator


def load_detail(out: Path) -> DetailNetwork:
    """The averaged network, half way to what it was before its critic, with the halo that is measured."""
    found = torch.load(out / f"{DETAIL}.pt", weights_only=True)
    before = found["extra"].get("plain", found["average"])
    record = {name: (1 - BLEND) * before[name] + BLEND * value for name, value in found["average"].items()}
    blocks = {name.split(".")[1] for name in record if name.startswith("blocks.")}
    width, growth = len(record["conv_in.bias"]), len(record["blocks.0.convs.0.bias"])
    network = DetailNetwork(width=width, growth=growth, num_blocks=len(blocks) // DENSES, gain=GAIN)
    network.load_state_dict(record)
    network.register_to_config(halo=measure_detail_halo(network.eval().requires_grad_(False)))
    return network


def measure_detail_halo(network: DetailNetwork, side: int = 24, most: int = 64) -> int:
    """Input pixels round a window beyond which its detail stays within half a level of 8 bits, in steps of 4.

    Pages of text are shown to it, which have the sharpest detail; the network's convolutions reach further than that.
    """
    pages = [draw_page(np.random.default_rng(seed), (side + 2 * most) * FACTOR) for seed in range(3)]
    low = shrink(torch.from_numpy(np.stack(pages)).permute(0, 3, 1, 2))

    def within(halo: int) -> torch.Tensor:
        seen = slice(most - halo, most + side + halo)
        inner = slice(halo * FACTOR, (halo + side) * FACTOR)
        return high_frequencies(network(low[..., seen, seen]))[..., inner, inner]

    whole = within(most)
    for halo in range(most - 4, 0, -4):
        if (network.config["gain"] * (within(halo) - whole)).abs().max() > 0.5 / 255:
            return halo + 4
    return 4


SHARE = 0.7
"""of the detail that is drawn where nothing is said: nearer to the truth by every figure than two steps of sampling"""
TEXT_STEPS, TEXT_GUIDANCE = 16, 2.0
"""what pictures from words alone are made with where nothing is said"""


def export(out: Path, to: Path, *, steps: int, guidance: float = 1.0, widths: tuple[int, ...] = WIDTHS) -> None:
    """Write ``to``: every part's folder and model_index.json. A part not trained yet is named in the error."""
    autoencoder, restorer = load_autoencoder(out, "cpu"), load_restoration(out, "cpu")
    unet, text, statistics = load_denoiser(out, "cpu", widths)
    controlnet = build_controlnet(unet)
    controlnet.load_state_dict(torch.load(out / "controlnet.pt", weights_only=True)["average"])
    encoder_halo, decoder_halo = measure_halos(autoencoder)
    means = measure_means(autoencoder, statistics["mean"], statistics["std"])
    networks = {"vae": autoencoder, "unet": unet, "text_encoder": text, "controlnet": controlnet}
    networks |= {"restorer": restorer, "tagger": load_tagger(out), "generator": load_generator(out)}
    classes = dict(CLASSES)
    if (out / f"{DETAIL}.pt").is_file():
        networks[DETAIL] = load_detail(out)
        classes[DETAIL] = ["pipeline.models.embedded.detail", "DetailNetwork"]
    networks["texture_encoder"], adapter = load_textures(out, copy.deepcopy(unet))
    for name, network in networks.items():
        shutil.rmtree(to / name, ignore_errors=True)
        network.half().save_pretrained(to / name, variant="fp16")
    (to / "image_adapter").mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.half().contiguous() for name, value in adapter.items()},
        to / "image_adapter" / "model.fp16.safetensors",
        metadata={"format": "pt"},
    )
    build_tokenizer().save_pretrained(to / "tokenizer")
    build_scheduler().save_pretrained(to / "scheduler")
    own: dict[str, Any] = {
        "native_scale": 4,
        "window": 128,
        "overlap": 16,
        "multiple": 2 ** (len(widths) - 1),
        "conditioning": "coarse-latent, text, structure",
        "steps": steps,
        "guidance": guidance,
        "text_steps": TEXT_STEPS,
        "text_guidance": TEXT_GUIDANCE,
        "encoder_halo": encoder_halo,
        "decoder_halo": decoder_halo,
        "restorer_halo": restorer.halo,
        "dtype": "bfloat16",
        "detail": SHARE if DETAIL in networks else 0.0,
    }
    for name, key in (("latents_mean", "mean"), ("latents_std", "std")):
        own[name] = [round(float(value), 6) for value in statistics[key].flatten()]
    own["spread"] = [[round(float(value), 6) for value in row] for row in statistics["spread"]]
    own["means"] = [[round(float(value), 6) for value in row] for row in means]
    index = {"_class_name": "GigatileSuperResolver", "_diffusers_version": diffusers.__version__, **classes}
    (to / "model_index.json").write_text(json.dumps({**index, "gigatile": own}, indent=2) + "\n")
    size = sum(path.stat().st_size for path in to.rglob("*.safetensors")) / 1e6
    print(f"{to}: {size:.1f} MB of weights, halos {encoder_halo}, {decoder_halo} and {restorer.halo}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    parser.add_argument("--to", type=Path, default=Path("pipeline/models/embedded/weights"))
    parser.add_argument("--steps", type=int, default=4, help="default number of sampler steps")
    parser.add_argument("--guidance", type=float, default=1.0, help="default weight of guidance")
    options = parser.parse_args()
    export(options.out, options.to, steps=options.steps, guidance=options.guidance)


if __name__ == "__main__":
    main()
