"""The embedded model at work: its networks, run as Backbone asks for it; loading.py reads them from disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.models.attachments.image_adapter import read_adapter
from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.attention.neighbourhood import surround
from pipeline.models.attention.word_maps import record_words
from pipeline.models.card import LatentGeometry
from pipeline.models.protocol import Conditioning, WordMaps

from .precondition import Known, keep_means, local_spread, precondition

STRUCTURES = {"image": 3, "edges": 1}
"""what the ControlNet reads, in the order of its channels"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The loaded networks, on one device; what makes and reads pixels is in float32, see loading.py."""

    vae: Any
    unet: Any
    text_encoder: Any
    tokenizer: Any
    controlnet: Any
    restorer: Any
    tagger: Any
    scheduler: Any
    texture_encoder: Any = None
    """describes pictures; None for a model without texture prompts"""
    generator: Any = None
    """imagines coarse latents from words; None for a model that does not"""
    detail: Any = None
    """draws detail for the restored picture; None for a model that does not"""
    adapter: Path | None = None
    """the weights by which the U-Net reads descriptions, loaded when there are some to read"""


def _picture(structure: dict[str, torch.Tensor]) -> torch.Tensor:
    """[B, 4, H, W]: what the ControlNet reads; zeros, as in training, for what is not shown."""
    shown = next(iter(structure.values()))
    absent = {name: shown.new_zeros(len(shown), count, *shown.shape[2:]) for name, count in STRUCTURES.items()}
    return torch.cat([structure.get(name, absent[name]) for name in STRUCTURES], dim=1)


def _to(network: Any, tensor: torch.Tensor) -> torch.Tensor:
    """On a network's device and in its number format."""
    return tensor.to(network.device, network.dtype, memory_format=torch.channels_last)


class EmbeddedBackbone:
    """Runs the networks; latents cross the border normalised to zero mean and unit variance a channel."""

    def __init__(
        self, geometry: LatentGeometry, parts: Parts, settings: dict[str, Any], options: Options = PLAIN
    ) -> None:
        """``settings``: latents_mean and latents_std, a number a channel, and spread, the table of local_spread; means,
        what keep_means needs, for a model that keeps them."""
        self._geometry, self._parts, self._options = geometry, parts, options
        self._mean, self._std = (
            torch.tensor(settings[name]).view(1, -1, 1, 1) for name in ("latents_mean", "latents_std")
        )
        self._spread = torch.tensor(settings["spread"])
        self._means = torch.tensor(settings["means"]) if "means" in settings else None
        self._reader: list[Any] | None = None
        """attentions to image prompts, once some were given"""
        self._recorded: WordMaps | None = None
        """what is being recorded of attention to words"""

    @property
    def geometry(self) -> LatentGeometry:
        return self._geometry

    def _send(self, tensor: torch.Tensor) -> torch.Tensor:
        return _to(self._parts.unet, tensor)

    @contextmanager
    def recording(self, maps: WordMaps) -> Iterator[None]:
        """See ReadingBackbone: of the network that reads the words, the generator where there is no coarse latent."""
        self._recorded = maps
        try:
            yield
        finally:
            self._recorded = None

    def _watching(self, unet: Any) -> AbstractContextManager[None]:
        return nullcontext() if self._recorded is None else record_words(unet, self._recorded)

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """The velocity. Without a coarse latent one is imagined from the prompt, at every step anew."""
        unet, imagines = self._parts.unet, conditioning.coarse is None and self._parts.generator is not None
        told, imagined = self._halves(conditioning)
        assert told.text is not None
        text = told.text.to(unet.device, unet.dtype)
        squared = self._parts.scheduler.alphas_cumprod[timestep.long().expand(len(latents))]
        coarse = self._imagine(latents, timestep, imagined, squared) if imagines else conditioning.coarse
        if coarse is None:
            coarse, spread = torch.zeros_like(latents), torch.ones_like(latents)
        else:
            spread = local_spread(coarse, self._spread)
        prepared = precondition(latents, coarse, spread, squared)
        inputs = self._send(prepared.inputs)
        # first: it can change the attentions that are then surrounded
        shown = self._show(conditioning.image, inputs)
        watching = nullcontext() if imagines else self._watching(unet)
        with self._options.attending(), watching, surround([unet, self._parts.controlnet], told, inputs):
            residuals = self._residuals(inputs, timestep, text, conditioning.structure)
            answer = unet(inputs, timestep, encoder_hidden_states=text, added_cond_kwargs=shown, **residuals).sample
        velocity = prepared.velocity(answer.float().cpu())
        if conditioning.coarse is not None and self._means is not None:
            velocity = keep_means(velocity, Known(latents=latents, coarse=coarse, alphas_cumprod=squared), self._means)
        return velocity.contiguous()

    def _halves(self, conditioning: Conditioning) -> tuple[Conditioning, Conditioning]:
        """What the denoiser reads, the text encoder's states, and the generator, embeddings of its own: see embed."""
        assert conditioning.text is not None
        width = self._parts.unet.config.cross_attention_dim
        halves = []
        for half in (slice(None, width), slice(width, None)):
            places = conditioning.places
            if places is not None:
                places = tuple(one.saying({"text": one.embeddings["text"][..., half].contiguous()}) for one in places)
            halves.append(
                dataclasses.replace(conditioning, text=conditioning.text[..., half].contiguous(), places=places)
            )
        return halves[0], halves[1]

    def _imagine(
        self, latents: torch.Tensor, timestep: torch.Tensor, told: Conditioning, squared: torch.Tensor
    ) -> torch.Tensor:
        """The coarse latent that is to be expected under noisy latents; see generator.py."""
        generator, unet = self._parts.generator, self._parts.unet
        assert told.text is not None
        text = told.text.to(unet.device, unet.dtype)
        with self._options.attending(), self._watching(generator.unet), surround([generator.unet], told, latents):
            coarse: torch.Tensor = generator(latents.to(text.device), timestep, text, squared)
        return coarse.cpu().contiguous()

    def _show(self, image: torch.Tensor | None, like: torch.Tensor) -> dict[str, Any] | None:
        """What the U-Net is given of image prompts, [B, K, D]; it is as it was until it is first given some."""
        if image is None and self._reader is None:
            return None
        if self._reader is None:
            assert self._parts.adapter is not None
            self._reader = read_adapter(self._parts.unet, self._parts.adapter)
        for processor in self._reader:
            processor.scale = [float(image is not None)]
        if image is None:
            image = torch.zeros(len(like), 1, self._geometry.inputs.image_width or 0)
        return {"image_embeds": [image.to(like.device, like.dtype)]}

    @torch.inference_mode()
    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        """Descriptions [B, D] of textures: pixels [B, 3, H, W] in [0, 1]."""
        assert self._parts.texture_encoder is not None
        weight = self._parts.tagger.conv_in.weight
        described: torch.Tensor = self._parts.texture_encoder(self._parts.tagger.statistics(pixels.to(weight.device)))
        return described.float().cpu()

    def spread(self, coarse: torch.Tensor) -> torch.Tensor:
        return local_spread(coarse, self._spread)

    def _residuals(
        self,
        inputs: torch.Tensor,
        timestep: torch.Tensor,
        text: torch.Tensor,
        structure: dict[str, torch.Tensor] | None,
    ) -> dict[str, Any]:
        """What the ControlNet adds to the U-Net; nothing where it is shown nothing."""
        if structure is None:
            return {}
        down, mid = self._parts.controlnet(
            inputs,
            timestep,
            encoder_hidden_states=text,
            controlnet_cond=self._send(_picture(structure)),
            return_dict=False,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}

    @torch.inference_mode()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        latents = self._parts.vae.encode(_to(self._parts.vae, pixels * 2 - 1)).latent.float().cpu()
        return ((latents - self._mean) / self._std).contiguous()

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        pixels = self._parts.vae.decode(_to(self._parts.vae, latents * self._std + self._mean)).sample
        return pixels.float().cpu().add(1).div(2).contiguous()

    @torch.inference_mode()
    def restore(
        self,
        low: torch.Tensor,
        words: torch.Tensor | None = None,
        scale: int | None = None,
        detail: float = 0.0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        restorer = self._parts.restorer
        said = None if words is None else _to(restorer, words)
        restored, confidence = restorer(_to(restorer, low), said, scale)
        if detail > 0:
            restored = self._parts.detail.sharpen(restored, _to(self._parts.detail, low), detail)
        return restored.cpu().contiguous(), confidence.cpu().contiguous()

    def steering(self, prompts: list[dict[str, float]]) -> torch.Tensor:
        phrases = self._parts.restorer.config["phrases"]
        known = [{" ".join(phrase.lower().split()): sure for phrase, sure in one.items()} for one in prompts]
        rows = [[one.get(phrase, 0.0) for phrase in phrases] for one in known]
        return torch.tensor(rows).view(len(prompts), len(phrases))

    def tag(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        tags: list[list[tuple[str, float]]] = self._parts.tagger.say(low)
        return tags

    @torch.inference_mode()
    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        """Prompts of the closed vocabulary, phrases parted by commas; see ModelCard.vocabulary.

        What the generator reads of a token comes after what the text encoder says of it.
        """
        tokens = self._parts.tokenizer(
            prompts,
            padding="max_length",
            max_length=self._geometry.inputs.text_tokens,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        encoder, generator = self._parts.text_encoder, self._parts.generator
        tokens = tokens.to(encoder.device)
        states = [encoder(tokens).last_hidden_state, *([] if generator is None else [generator.words(tokens)])]
        return {"text": torch.cat([state.float().cpu() for state in states], 2)}
