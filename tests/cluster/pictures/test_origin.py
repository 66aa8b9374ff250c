from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import tifffile

from cluster.pictures.origin import describe_provenance
from cluster.pictures.preview import plain_info
from pipeline.plan.facts import Stage
from pipeline.version import __version__
from storage.images import open_image
from tests.storage.images.files import picture, pillow
from tests.support.tiny import small_plan


def test_it_names_the_plan_the_model_and_the_image(tmp_path: Path) -> None:
    plan = small_plan(height=40, width=40, region=32, window=32, overlap=8)
    pillow(picture(40, 40)).save(tmp_path / "scan.png")
    with open_image(tmp_path / "scan.png") as source:
        made = describe_provenance(plan, source.info)
        signed = describe_provenance(plan, dataclasses.replace(source.info, files=()))
    assert made == signed
    assert made.software == f"gigatile {__version__}"
    assert (made.model, made.plan, made.scale) == (plan.model_fingerprint, plan.hash, plan.scale)
    assert (made.recipe, made.seed) == (plan.recipe.name, plan.recipe.run.seed)
    assert made.source == "scan.png", "no folder of this machine"
    assert made.source_sha256 == hashlib.sha256((tmp_path / "scan.png").read_bytes()).hexdigest()
    assert made.digital_source_type.endswith("/compositeWithTrainedAlgorithmicMedia")


def test_a_page_is_of_the_file_that_it_is_in(tmp_path: Path) -> None:
    plan = small_plan(height=40, width=40, region=32, window=32, overlap=8)
    with tifffile.TiffWriter(tmp_path / "scan.tif") as tiff:
        for seed in (0, 1):
            tiff.write(picture(40, 40, 1, seed=seed)[0])
    with open_image(tmp_path / "scan.tif", page=2) as source:
        made = describe_provenance(plan, source.info)
        told = describe_provenance(plan, source.info, lambda: "as the source says")
    assert made.source == told.source == "scan.tif"
    assert made.source_sha256 == source.fingerprint()
    assert told.source_sha256 == "as the source says"


def test_words_alone_have_no_source() -> None:
    plan = small_plan(height=40, width=40, region=32, window=32, overlap=8)
    made = describe_provenance(plan, plain_info(plan))
    assert made.source is made.source_sha256 is None
    told = dataclasses.replace(plan, stage=Stage(from_text=True))
    assert describe_provenance(told, plain_info(told)).digital_source_type.endswith("/trainedAlgorithmicMedia")
