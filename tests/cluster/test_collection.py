"""The arguments of many pictures, and of one among them."""

from __future__ import annotations

import pytest

from cluster.collection import Collection
from cluster.job import Job


def test_a_collection_is_a_job_without_a_picture_or_with_many() -> None:
    assert Collection(output="out/", list_file="~x.csv").inputs == ()
    assert Collection(output="out", input="a.tif").inputs == ("a.tif",)
    assert Collection(output="out", input=("a.tif", "b.tif")).inputs == ("a.tif", "b.tif")
    assert (Collection(output="out/").is_folder, Collection(output="out").is_folder) == (True, False)
    assert Collection(output="out/").run_url == "out.run"
    alone = Collection(output="o.tif", input="a.tif", seed=3, name="x.tif").alone()
    assert alone == Job(output="o.tif", input="a.tif", seed=3)
    with pytest.raises(ValueError, match="expected INPUT, a picture, before OUTPUT"):
        Collection(output="o.tif").alone()
