"""What a recipe can say of a model is what its rooms can do."""

from __future__ import annotations

from pipeline.models.attention.kernels import ATTENTIONS, Options
from pipeline.models.settings import Model, Structure
from pipeline.settings import by_name


def test_kernels_are_those_that_there_are() -> None:
    assert by_name((Model,))["model.attention"].about.choices == tuple(ATTENTIONS)
    made = Model(compile=True, attention="flash", channels_last=True)
    assert made.options == Options(compile=True, attention="flash", channels_last=True)


def test_what_control_nets_are_shown() -> None:
    shown = {name: Structure(controls=name).shown for name in (None, "none", "image", "edges", "both")}
    assert shown == {None: (), "none": (), "image": ("image",), "edges": ("edges",), "both": ("image", "edges")}
