"""What a recipe can say of tiles is what the room can do."""

from __future__ import annotations

from pipeline.geometry.blend import WINDOWS
from pipeline.geometry.settings import Dilated, Tiles
from pipeline.settings import settings_of
from tests.support.settings import told


def test_blends_are_those_that_there_are() -> None:
    (blend,) = [one for one in settings_of(Tiles) if one.field == "blend"]
    assert blend.about.choices == WINDOWS


def test_what_is_said_of_tiles() -> None:
    assert told(Tiles) == {
        "window": "None; at least 8; first spread",
        "overlap": "None; at least 0; first spread",
        "blend": "'cosine'",
        "region": "256; at least 8",
        "jitter": "'none'; first spread",
        "disagreement": "False",
        "attend": "'tiles'; first spread",
        "attention_window": "None; at least 8; needs tiles.attend = 'neighbourhood'; first spread",
        "attention_jitter": "False; needs tiles.attend = 'neighbourhood'; first spread",
    }


def test_what_is_said_of_dilated() -> None:
    assert told(Dilated) == {
        "power": "0.0; at least 0; first spread",
        "window": "None; needs dilation.power above 0; first spread",
        "blur": "0.8; above 0 and at most 16; read_with dilation.power above 0",
        "blur_power": "1.0; at least 0; read_with dilation.power above 0",
        "interaction": "False; needs dilation.power above 0; first spread",
        "interaction_group": "0; at least 0; read_with dilation.interaction = true",
    }
