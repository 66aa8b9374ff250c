"""The sharp teacher: its files, written here for a small network, and what it computes, by torch's own layers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.models.embedded.detail import DetailNetwork

WIDTH, GROWTH = 8, 4


class Dense(nn.Module):
    """A residual dense block (arXiv 1809.00219), its parts by name."""

    def __init__(self) -> None:
        super().__init__()
        outs = [GROWTH] * 4 + [WIDTH]
        self.convs = nn.ModuleList([nn.Conv2d(WIDTH + GROWTH * at, out, 3, padding=1) for at, out in enumerate(outs)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1 = functional.leaky_relu(self.convs[0](x), 0.2)
        x2 = functional.leaky_relu(self.convs[1](torch.cat((x, x1), 1)), 0.2)
        x3 = functional.leaky_relu(self.convs[2](torch.cat((x, x1, x2), 1)), 0.2)
        x4 = functional.leaky_relu(self.convs[3](torch.cat((x, x1, x2, x3), 1)), 0.2)
        answer: torch.Tensor = self.convs[4](torch.cat((x, x1, x2, x3, x4), 1)) * 0.2 + x
        return answer


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.denses = nn.Sequential(*[Dense() for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.denses(x) * 0.2 + x


class Network(nn.Module):
    """The layers in the order in which they are run, which is that of the file."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.body = nn.Sequential(*[Residual() for _ in range(blocks)])
        self.tail = nn.ModuleList([nn.Conv2d(WIDTH, out, 3, padding=1) for out in (WIDTH, WIDTH, WIDTH, WIDTH, 3)])

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        first = self.first(low)
        features = first + self.tail[0](self.body(first))
        for doubling in self.tail[1:3]:
            features = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
            features = functional.leaky_relu(doubling(features), 0.2)
        answer: torch.Tensor = self.tail[4](functional.leaky_relu(self.tail[3](features), 0.2))
        return answer


def write(network: nn.Module, folder: Path, tag: int) -> None:
    """As ncnn stores it: a line a layer; a tag, weights that fill whole words, and a bias of float32."""
    lines, raw = ["7767517", "1 1"], b""
    for number, layer in enumerate(one for one in network.modules() if isinstance(one, nn.Conv2d)):
        weight = layer.weight.detach().numpy()
        lines.append(f"Convolution  Conv_{number}  1 1 a b 0={layer.out_channels} 1=3 4=1 5=1 6={weight.size}")
        body = weight.astype(np.float16 if tag else np.float32).tobytes()
        assert layer.bias is not None
        raw += tag.to_bytes(4, "little") + body + bytes(-len(body) % 4) + layer.bias.detach().numpy().tobytes()
    (folder / "realesrgan-x4plus.param").write_text("\n".join(lines))
    (folder / "realesrgan-x4plus.bin").write_bytes(raw)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(2).requires_grad_(False)


@pytest.mark.parametrize(("tag", "tolerance"), [(0, 1e-5), (0x01306B47, 2e-3)])
def test_it_computes_what_its_layers_say(
    scripts: dict[str, ModuleType], network: Network, tmp_path: Path, tag: int, tolerance: float
) -> None:
    write(network, tmp_path, tag)
    low = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    found = scripts["teacher"].read_teacher(tmp_path).sharpen(low)
    assert found.shape == (2, 3, 28, 36)
    torch.testing.assert_close(found, network(low), rtol=0, atol=tolerance)


def test_missing_files_are_named(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected realesrgan-x4plus.param; give --teacher the folder"):
        scripts["teacher"].read_teacher(tmp_path)


def test_files_of_another_network_are_refused(scripts: dict[str, ModuleType], network: Network, tmp_path: Path) -> None:
    write(network, tmp_path, 0)
    whole = tmp_path / "realesrgan-x4plus.bin"
    whole.write_bytes(whole.read_bytes() + bytes(4))
    with pytest.raises(ValueError, match="found 36 and"):
        scripts["teacher"].read_teacher(tmp_path)
    whole.write_bytes((7).to_bytes(4, "little") + whole.read_bytes()[4:])
    with pytest.raises(ValueError, match="found 0x7"):
        scripts["teacher"].read_teacher(tmp_path)


def test_a_detail_network_begins_as_its_first_blocks(
    scripts: dict[str, ModuleType], network: Network, tmp_path: Path
) -> None:
    write(network, tmp_path, 0)
    layers = scripts["teacher"].read_teacher(tmp_path).layers
    student = DetailNetwork(width=WIDTH, growth=GROWTH, num_blocks=1).requires_grad_(False)
    student.load_state_dict(scripts["teacher"].first_blocks(layers, 1))
    low = torch.rand(1, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    network.body = network.body[:1]
    torch.testing.assert_close(student(low), network(low), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="at least 3 blocks to begin with, found 2"):
        scripts["teacher"].first_blocks(layers, 3)
