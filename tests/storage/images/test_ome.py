"""What channels are called and shown as; the attributes as a whole are tested with the writer."""

from __future__ import annotations

import numpy as np
import pytest

from storage.images.georeference import GeoReference
from storage.images.metadata import BandMetadata, Metadata
from storage.images.ome import attributes, level_transform, window
from storage.images.writers.ome_zarr import OmeZarrWriter
from tests.storage.images.files import picture
from tests.storage.images.writers.pictures import picture_of


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([7.0] * 3, "uint8", (0, 255, 0, 255)),
        ([5000.0] * 3, "uint16", (0, 65535, 5000, 5001)),
        ([-2.0, 6.0, np.nan, np.inf], "float32", (-2, 6, -2 + 0.008, 6 - 0.008)),
        ([], "float32", (0, 1, 0, 1)),
        ([], "int16", (-32768, 32767, 0, 1)),
    ],
)
def test_what_is_shown_of_a_channel(values: list[float], dtype: str, expected: tuple[float, ...]) -> None:
    assert window(np.array(values), dtype) == pytest.approx(expected)


def test_bands_that_are_no_colours_are_shown_one_at_a_time() -> None:
    bands = tuple(BandMetadata(colour=colour) for colour in ("nir", "undefined", "undefined"))
    made = picture_of(OmeZarrWriter(), picture(4, 4), metadata=Metadata(bands=bands), descriptions=(None, "B5", None))
    channels = attributes(made, [(4, 4)], [(0.0, 1.0, 0.0, 1.0)] * 3)["ome"]["omero"]["channels"]
    assert [one["label"] for one in channels] == ["nir", "B5", "band 3"]
    assert [one["active"] for one in channels] == [True, False, False]
    assert {one["color"] for one in channels} == {"FFFFFF"}


def test_the_corner_stays() -> None:
    geo = GeoReference(transform=(2.0, 1.0, 50.0, 1.0, -2.0, 90.0))
    assert level_transform(geo, 3) == [16.0, 8.0, 50.0, 8.0, -16.0, 90.0]
