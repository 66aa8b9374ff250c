"""What Python hands over becomes the arguments that the command line would have."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.job import Job, TextJob
from cluster.runs.settings import parse_settings
from gigatile.recipes import to_job


def test_paths_and_options_become_arguments() -> None:
    job = to_job(Job, "yoda", {"scale": 2, "tags": Path("tags.json")}, input="in.png", output="out.png")
    assert job == Job(input="in.png", output="out.png", recipe="yoda", scale=2, tags="tags.json")


def test_settings_of_both_ways_the_options_last() -> None:
    options = {"settings": ["seed=9"]}
    job = to_job(TextJob, {"preset": "yoda", "prompt": 'say "a"', "steps": None}, options, prompt="p", output="o.png")
    assert job.recipe == "yoda"
    assert job.settings == ['prompt="say \\"a\\""', "seed=9"]


def test_letters_beyond_the_first_plane_reach_the_recipe() -> None:
    """JSON would write them in two halves, which TOML refuses."""
    job = to_job(Job, {"prompt": "\U0001f30a é"}, {}, input="i.png", output="o.png")
    assert parse_settings(job.settings) == {"prompt": "\U0001f30a é"}


def test_sections_are_dotted() -> None:
    job = to_job(Job, {"tiles": {"window": 64}, "seed": 3}, {}, input="i.png", output="o.png")
    assert job.settings == ["tiles.window=64", "seed=3"]


@pytest.mark.parametrize("name", ["input", "recipe", "wrokers"])
def test_an_option_that_there_is_not(name: str) -> None:
    with pytest.raises(TypeError, match=f"unknown option '{name}'"):
        to_job(Job, "yoda", {name: 1}, input="i.png", output="o.png")
