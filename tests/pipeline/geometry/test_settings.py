"""What a recipe can say of tiles is what the room can do."""

from __future__ import annotations

from pipeline.geometry.blend import WINDOWS
from pipeline.geometry.settings import Tiles
from pipeline.settings import settings_of


def test_blends_are_those_that_there_are() -> None:
    (blend,) = [one for one in settings_of(Tiles) if one.field == "blend"]
    assert blend.about.choices == WINDOWS
