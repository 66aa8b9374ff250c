"""A leading ~, against a home directory that the test chooses."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.home import expand_home


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("~", "/where/somebody lives"),
        ("~/runs/a", "/where/somebody lives/runs/a"),
        (Path("~/runs/a"), "/where/somebody lives/runs/a"),
        ("runs/~/a", "runs/~/a"),
        ("./~", "~"),
        ("/~/a", "/~/a"),
        ("~nobody at all/a", "~nobody at all/a"),
        ("plain.tif", "plain.tif"),
    ],
)
def test_only_a_leading_one_is_the_home(given: str | Path, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/where/somebody lives")
    if given == "./~":  # a folder of that name, which pathlib would make a bare ~ of
        with pytest.raises(FileNotFoundError, match="write the folder in full"):
            expand_home(given)
        return
    assert expand_home(given) == Path(expected)


def nobody(_user: int) -> None:
    raise KeyError("uid not found")


@pytest.mark.parametrize("given", ["~", "~/runs/a", "~/"])
def test_a_home_that_nobody_knows_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: no HOME, and a user id without a name. Else runs would be written below ./~."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(FileNotFoundError, match=f"{given}: ~ is the home directory, and neither HOME nor"):
        expand_home(given)


@pytest.mark.parametrize("given", ["runs/~", "/~", "~nobody at all", "a"])
def test_and_what_does_not_mean_it_is_not(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert expand_home(given) == Path(given)
