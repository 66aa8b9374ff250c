"""What a recipe can say of a model is what its rooms can do."""

from __future__ import annotations

from pipeline.models.attention.kernels import ATTENTIONS, Options
from pipeline.models.settings import Codec, ImagePrompts, Model, Structure
from pipeline.settings import by_name
from tests.support.settings import told


def test_kernels_are_those_that_there_are() -> None:
    assert by_name((Model,))["model.attention"].about.choices == tuple(ATTENTIONS)
    made = Model(compile=True, attention="flash", channels_last=True)
    assert made.options == Options(compile=True, attention="flash", channels_last=True)


def test_what_control_nets_are_shown() -> None:
    shown = {name: Structure(controls=name).shown for name in (None, "none", "image", "edges", "both")}
    assert shown == {None: (), "none": (), "image": ("image",), "edges": ("edges",), "both": ("image", "edges")}


def test_what_is_said_of_model() -> None:
    assert told(Model) == {
        "strict": "True",
        "dtype": "None",
        "batch": "None; at least 1",
        "attention": "'auto'",
        "channels_last": "False",
        "compile": "False; excludes tiles.attend = 'neighbourhood'",
    }


def test_what_is_said_of_structure() -> None:
    assert told(Structure) == {"controls": "None; first without; plain 'none'", "edge_share": "0.3; between 0 and 1"}


def test_what_is_said_of_image_prompts() -> None:
    assert told(ImagePrompts) == {
        "source": "'none'; first without",
        "count": "4; at least 1; read_with image_prompts.source = 'textures'",
        "likeness": "False; read_with image_prompts.source = 'textures'",
    }


def test_what_is_said_of_codec() -> None:
    assert told(Codec) == {
        "norm": "None",
        "colour": "'none'; first without",
        "value_range": "None",
        "consistency": "None; first without",
        "point_spread": "0.0; between 0 and 4; read_with codec.consistency = true",
    }
