"""The embedded model's border, over made-up networks whose answers are known: what is sent, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.models.autoencoder.geometry import CodecGeometry
from pipeline.models.card import Cost, Inputs, LatentGeometry
from pipeline.models.embedded import backbone as module
from pipeline.models.embedded.backbone import EmbeddedBackbone, Parts
from pipeline.models.embedded.precondition import local_spread
from pipeline.models.protocol import Conditioning

MEAN, STD = [0.5, -1.0, 2.0, 0.0], [2.0, 0.5, 4.0, 1.0]
SPREAD = [[0.1, 0.2, -0.1], [0.0, 0.1, 0.1], [-0.5, 0.0, 0.1], [0.3, -0.1, 0.0]]
GEOMETRY = LatentGeometry(
    channels=4,
    factor=4,
    window=16,
    multiple=4,
    codec=CodecGeometry(encoder_halo=1, decoder_halo=1, window=256),
    cost=Cost(width=8),
    inputs=Inputs(text_tokens=5, image_width=7),
)
ALPHAS = torch.linspace(0.99, 0.01, 10)
SHAPE = (2, 4, 6, 9)


class Net:
    """A U-Net or ControlNet that keeps what it was given and answers with a fixed tensor."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, answer: Any = None) -> None:
        self.answer, self.given, self.named = answer, (), {}
        self.config = SimpleNamespace(cross_attention_dim=3)

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.given, self.named = given, named
        return self.answer


class Generator:
    """Imagines twice the latents, and reads the words as given."""

    unet = "the generator's own"

    def __init__(self) -> None:
        self.given: tuple[Any, ...] = ()

    def __call__(self, *given: Any) -> torch.Tensor:
        self.given = given
        return given[0] * 2

    def words(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[..., None].expand(-1, -1, 2) * 10.0


@pytest.fixture
def answer() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(9))


def made(answer: torch.Tensor | None = None, **parts: Any) -> tuple[EmbeddedBackbone, Any]:
    whole: dict[str, Any] = dict.fromkeys(("vae", "text_encoder", "tokenizer", "controlnet", "restorer", "tagger"))
    whole |= {"unet": Net(SimpleNamespace(sample=answer)), "scheduler": SimpleNamespace(alphas_cumprod=ALPHAS)}
    kept = Parts(**(whole | parts))
    return EmbeddedBackbone(GEOMETRY, kept, {"latents_mean": MEAN, "latents_std": STD, "spread": SPREAD}), kept


def latents(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def text(width: int = 3) -> torch.Tensor:
    return torch.randn(2, 5, width, generator=torch.Generator().manual_seed(5))


def test_latents_have_no_mean_and_a_deviation_of_one_a_channel() -> None:
    """What the autoencoder makes of pixels in [-1, 1] and back, each channel by its own numbers."""
    sent = []

    def encode(pixels: torch.Tensor) -> Any:
        sent.append(pixels)
        return SimpleNamespace(latent=torch.cat([pixels, pixels[:, :1]], 1))

    def decode(given: torch.Tensor) -> Any:
        sent.append(given)
        return SimpleNamespace(sample=given[:, :3])

    backbone, _ = made(vae=SimpleNamespace(encode=encode, decode=decode, device="cpu", dtype=torch.float32))
    pixels = torch.rand(1, 3, 5, 8)
    found = backbone.encode(pixels)
    torch.testing.assert_close(sent[0], pixels * 2 - 1)
    for channel, source in enumerate((0, 1, 2, 0)):
        expected = ((pixels[:, source] * 2 - 1) - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(found[:, channel], expected)
    back = backbone.decode(found)
    for channel in range(4):
        torch.testing.assert_close(sent[1][:, channel], found[:, channel] * STD[channel] + MEAN[channel])
    torch.testing.assert_close(back, pixels)
    assert (found.dtype, back.dtype) == (torch.float32, torch.float32)
    assert found.is_contiguous()
    assert back.is_contiguous()


def test_a_velocity_without_a_coarse_latent(answer: torch.Tensor) -> None:
    """Plain v-prediction: the network sees the latents beside zeros, and its answer is the velocity."""
    backbone, parts = made(answer)
    x, words, time = latents(), text(), torch.tensor(3)
    found = backbone.predict(x, time, Conditioning(text=words))
    torch.testing.assert_close(found, answer)
    seen, step = parts.unet.given
    torch.testing.assert_close(seen, torch.cat([x, torch.zeros_like(x)], 1))
    assert int(step) == 3
    torch.testing.assert_close(parts.unet.named["encoder_hidden_states"], words)
    assert parts.unet.named["added_cond_kwargs"] is None
    assert not {"down_block_additional_residuals", "mid_block_additional_residual"} & parts.unet.named.keys()


@pytest.mark.parametrize("step", [0, 7])
def test_a_velocity_round_a_coarse_latent(answer: torch.Tensor, step: int) -> None:
    """v = sigma (alpha (1 - s^2) x - c) / m^2 + s / m times the answer, with m^2 = alpha^2 s^2 + sigma^2."""
    backbone, parts = made(answer)
    x, coarse = latents(), latents(1) / 3
    found = backbone.predict(x, torch.tensor(step), Conditioning(text=text(), coarse=coarse))
    squared = float(ALPHAS[step])
    alpha, sigma = squared**0.5, (1 - squared) ** 0.5
    s = local_spread(coarse, torch.tensor(SPREAD))
    m = (squared * s**2 + sigma**2).sqrt()
    expected = sigma * (alpha * (1 - s**2) * x - coarse) / m**2 + s / m * answer
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts.unet.given[0], torch.cat([(x - alpha * coarse) / m, coarse], 1))
    torch.testing.assert_close(backbone.spread(coarse), s)


def test_block_means_are_kept_where_the_model_knows_them(answer: torch.Tensor) -> None:
    """Of a coarse latent that is given: one that is imagined at every step anew is no word of the input's."""
    means = [[1.0, 0.0, 2.0, 0.0]]
    settings = {"latents_mean": MEAN, "latents_std": STD, "spread": SPREAD, "means": means}
    _, parts = made(answer)
    backbone, (plain, _) = EmbeddedBackbone(GEOMETRY, parts, settings), made(answer)
    x, coarse, squared = latents(), latents(1) / 3, float(ALPHAS[3])
    found = backbone.predict(x, torch.tensor(3), Conditioning(text=text(), coarse=coarse))
    clean = squared**0.5 * x - (1 - squared) ** 0.5 * found
    torch.testing.assert_close(clean[:, 0] + 2 * clean[:, 2], coarse[:, 0] + 2 * coarse[:, 2], rtol=1e-4, atol=1e-4)
    free = Conditioning(text=text())
    torch.testing.assert_close(backbone.predict(x, torch.tensor(3), free), plain.predict(x, torch.tensor(3), free))


def test_a_coarse_latent_is_imagined_where_there_is_a_generator(answer: torch.Tensor) -> None:
    """Of the words each of the two networks reads its own part; a coarse latent that is given is not imagined."""
    generator = Generator()
    backbone, parts = made(answer, generator=generator)
    x, words = latents(), text(5)
    found = backbone.predict(x, torch.tensor(4), Conditioning(text=words))
    given, step, told, squared = generator.given
    torch.testing.assert_close(given, x)
    assert int(step) == 4
    torch.testing.assert_close(told, words[..., 3:])
    torch.testing.assert_close(squared, ALPHAS[4].expand(2))
    torch.testing.assert_close(parts.unet.named["encoder_hidden_states"], words[..., :3])
    same = backbone.predict(x, torch.tensor(4), Conditioning(text=words, coarse=x * 2))
    torch.testing.assert_close(found, same)
    generator.given = ()
    backbone.predict(x, torch.tensor(4), Conditioning(text=words, coarse=x))
    assert generator.given == ()


def test_words_are_recorded_of_the_network_that_reads_them(
    answer: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[Any] = []

    def watch(unet: Any, maps: Any) -> Any:
        watched.append((unet, maps))
        return nullcontext()

    monkeypatch.setattr(module, "record_words", watch)
    backbone, parts = made(answer, generator=Generator())
    maps: Any = object()
    told = Conditioning(text=text(5))
    with backbone.recording(maps):
        backbone.predict(latents(), torch.tensor(4), told)
        assert watched == [("the generator's own", maps)]
        backbone.predict(latents(), torch.tensor(4), Conditioning(text=text(5), coarse=latents()))
        assert watched[1:] == [(parts.unet, maps)]
    backbone.predict(latents(), torch.tensor(4), told)
    assert len(watched) == 2


def test_a_recording_ends_with_an_error() -> None:
    backbone, _ = made()
    with pytest.raises(RuntimeError, match="lost"), backbone.recording(object()):  # type: ignore[arg-type]
        raise RuntimeError("lost")
    assert backbone._recorded is None


@pytest.mark.parametrize("shown", [("image",), ("edges",), ("image", "edges")])
def test_what_the_controlnet_is_shown(answer: torch.Tensor, shown: tuple[str, ...]) -> None:
    """Three channels of the picture, then one of its edges; zeros for what is not shown."""
    draw = torch.Generator().manual_seed(2)
    whole = {"image": torch.rand(2, 3, 24, 36, generator=draw), "edges": torch.rand(2, 1, 24, 36, generator=draw)}
    control = Net(([torch.ones(1), torch.zeros(1)], torch.full((1,), 2.0)))
    backbone, parts = made(answer, controlnet=control)
    structure = {name: whole[name] for name in shown}
    backbone.predict(latents(), torch.tensor(1), Conditioning(text=text(), structure=structure))
    picture = control.named["controlnet_cond"]
    expected = torch.cat([whole[name] * (name in shown) for name in ("image", "edges")], 1)
    torch.testing.assert_close(picture, expected)
    assert torch.equal(control.given[0], parts.unet.given[0])
    assert int(control.given[1]) == 1
    torch.testing.assert_close(control.named["encoder_hidden_states"], text())
    assert control.named["return_dict"] is False
    assert parts.unet.named["down_block_additional_residuals"] is control.answer[0]
    assert parts.unet.named["mid_block_additional_residual"] is control.answer[1]


def test_image_prompts_change_nothing_until_some_are_given(
    answer: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter is read once; afterwards its scale is 0 where none are given, and it is shown one row of zeros."""
    reads, processors = [], [SimpleNamespace(scale=[9.0]), SimpleNamespace(scale=[9.0])]

    def read(unet: Any, path: Path) -> list[Any]:
        reads.append(path)
        return processors

    monkeypatch.setattr(module, "read_adapter", read)
    backbone, parts = made(answer, adapter=Path("adapter.safetensors"))
    plain, image = Conditioning(text=text()), torch.rand(2, 3, 7)
    backbone.predict(latents(), torch.tensor(1), plain)
    assert (reads, parts.unet.named["added_cond_kwargs"]) == ([], None)
    backbone.predict(latents(), torch.tensor(1), Conditioning(text=text(), image=image))
    assert [one.scale for one in processors] == [[1.0], [1.0]]
    torch.testing.assert_close(parts.unet.named["added_cond_kwargs"]["image_embeds"][0], image)
    backbone.predict(latents(), torch.tensor(1), plain)
    assert [one.scale for one in processors] == [[0.0], [0.0]]
    (nothing,) = parts.unet.named["added_cond_kwargs"]["image_embeds"]
    assert torch.equal(nothing, torch.zeros(2, 1, 7))
    assert reads == [Path("adapter.safetensors")]


def test_steering_is_a_row_a_crop_and_a_column_a_phrase() -> None:
    """Phrases are known whatever their case and spaces; others are passed over."""
    restorer = SimpleNamespace(config={"phrases": ("slight blur", "roof", "water")})
    backbone, _ = made(restorer=restorer)
    found = backbone.steering([{"Slight  Blur": 0.75, "sky": 1.0}, {}, {"water": 0.5, " roof ": 0.25}])
    assert found.tolist() == [[0.75, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.25, 0.5]]
    assert backbone.steering([]).shape == (0, 3)


class Restorer:
    """A function as a network on the CPU."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, restore: Callable[..., Any]) -> None:
        self.restore = restore

    def __call__(self, *inputs: Any) -> Any:
        return self.restore(*inputs)


def test_restoring_passes_words_on_and_keeps_the_order() -> None:
    given: list[Any] = []

    def restore(low: torch.Tensor, words: torch.Tensor | None, scale: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        given.append((low, words, scale))
        return low + 1, low[:, :1]

    restorer = Restorer(restore)
    backbone, _ = made(restorer=restorer)
    low, words = torch.rand(1, 3, 5, 8), torch.rand(1, 2, 5, 8)
    restored, confidence = backbone.restore(low, words)
    torch.testing.assert_close(restored, low + 1)
    torch.testing.assert_close(confidence, low[:, :1])
    torch.testing.assert_close(given[0][1], words)
    backbone.restore(low)
    assert given[1][1] is None
    backbone.restore(low, scale=2)
    assert [scale for *_, scale in given] == [None, None, 2]


def test_detail_is_drawn_for_the_restored_picture_where_some_is_asked_for() -> None:
    class Detail:
        device, dtype = torch.device("cpu"), torch.float32

        def sharpen(self, restored: torch.Tensor, low: torch.Tensor, share: float) -> torch.Tensor:
            return restored * 2 + low * share

    backbone, _ = made(restorer=Restorer(lambda low, words, scale: (low + 1, low[:, :1])), detail=Detail())
    low = torch.rand(1, 3, 5, 8)
    torch.testing.assert_close(backbone.restore(low, detail=0.25)[0], 2 * (low + 1) + low / 4)
    torch.testing.assert_close(backbone.restore(low)[0], low + 1)


def test_a_texture_is_what_the_encoder_says_of_the_taggers_measures() -> None:
    tagger = SimpleNamespace(
        conv_in=torch.nn.Conv2d(1, 1, 1), statistics=lambda low: low.mean((2, 3)), say=lambda low: [[("a", 1.0)]]
    )
    backbone, _ = made(tagger=tagger, texture_encoder=lambda measured: measured.half() * 2)
    pixels = torch.rand(2, 3, 32, 40)
    found = backbone.look(pixels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, pixels.mean((2, 3)) * 2, rtol=1e-3, atol=1e-3)
    assert backbone.tag(pixels) == [[("a", 1.0)]]


@pytest.mark.parametrize("has_generator", [False, True])
def test_prompts_are_cut_and_filled_to_one_length(has_generator: bool) -> None:
    """What the generator reads of a token comes after what the text encoder says of it."""
    asked: dict[str, Any] = {}

    def tokenize(prompts: list[str], **options: Any) -> Any:
        asked.update(options, prompts=prompts)
        return SimpleNamespace(input_ids=torch.tensor([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]]))

    class Encoder:
        device = torch.device("cpu")

        def __call__(self, tokens: torch.Tensor) -> Any:
            return SimpleNamespace(last_hidden_state=tokens[..., None].expand(-1, -1, 3).double())

    backbone, _ = made(tokenizer=tokenize, text_encoder=Encoder(), generator=Generator() if has_generator else None)
    found = backbone.embed(["water, roof", "sea"])
    assert (asked["padding"], asked["max_length"], asked["truncation"]) == ("max_length", 5, True)
    assert asked["prompts"] == ["water, roof", "sea"]
    assert list(found) == ["text"]
    assert (found["text"].shape, found["text"].dtype) == ((2, 5, 5 if has_generator else 3), torch.float32)
    assert found["text"][0, 2].tolist() == [3.0, 3.0, 3.0, *([30.0, 30.0] if has_generator else [])]
