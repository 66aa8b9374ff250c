"""What gigatile offers and what installed packages add: found by name, loaded when asked for, told in one line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from storage.registry import Registry
from tests.support.outside import install

GROUP = "gigatile.numbers"


def registry(*built_in: complex) -> Registry[complex]:
    """Complex numbers, each under its real part."""
    return Registry(
        what="number", group=GROUP, kind=complex, built_in=built_in, names_of=lambda one: (f"{one.real:g}",)
    )


def test_own_ones_are_found_by_name() -> None:
    offered = registry(1 + 2j, 3 + 4j)
    assert (offered.find("3"), offered.find("4"), offered.names()) == (3 + 4j, None, ("1", "3"))
    assert offered.packages("3") == {} == offered.packages("4")


def test_an_installed_one_is_found_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(
        monkeypatch,
        tmp_path,
        {GROUP: {"5": "outside_five:FIVE"}},
        name="Five-Things",
        version="2.1",
        files={"outside_five.py": "FIVE = 5 + 6j\n"},
    )
    offered = registry(1 + 2j)
    assert offered.names() == ("1", "5")
    assert offered.known() == (1 + 2j,), "nothing was loaded"
    assert offered.find("5") == 5 + 6j
    assert offered.find("5") is offered.find("5")
    assert offered.known() == (1 + 2j, 5 + 6j)
    assert offered.packages("5") == {"Five-Things": "2.1"}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("raise RuntimeError('no\\nluck')", r"cannot be loaded \(RuntimeError: no luck\): mend the package"),
        ("import nowhere_at_all", r"cannot be loaded \(ModuleNotFoundError: No module named 'nowhere_at_all'\)"),
        ("FOUR = 4j", r"cannot be loaded \(AttributeError: .*'FIVE'\)"),
        ("FIVE = 'five'", r"outside_bad:FIVE is a str, expected a complex of builtins: mend"),
        ("FIVE = 7j", "says of itself that it is 0: call its entry point alike"),
        ("FIVE = (", r"cannot be loaded \(SyntaxError"),
        ("raise SystemExit(3)", r"cannot be loaded \(SystemExit: 3\)"),
    ],
)
def test_a_broken_one_is_one_line_and_hurts_nobody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, match: str
) -> None:
    # a module that failed to be imported is not kept; one that was imported would be
    monkeypatch.delitem(__import__("sys").modules, "outside_bad", raising=False)
    install(monkeypatch, tmp_path, {GROUP: {"5": "outside_bad:FIVE"}}, files={"outside_bad.py": text})
    offered = registry(1 + 2j)
    assert offered.find("1") == 1 + 2j
    assert offered.names() == ("1", "5")
    with pytest.raises(ValueError, match=match) as caught:
        offered.find("5")
    assert str(caught.value).startswith("number '5' of the package outside 1.0")
    assert "\n" not in str(caught.value)


def test_gigatiles_own_stays_where_a_package_has_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, tmp_path, {GROUP: {"1": "nowhere:ONE"}}, name="usurper", version="0.3")
    offered = registry(1 + 2j, 3 + 4j)
    with caplog.at_level(logging.WARNING):
        assert offered.find("3") == 3 + 4j
        assert not caplog.records, "said to those alone who use the name"
        assert offered.find("1") == offered.find("1") == 1 + 2j
    (record,) = caplog.records
    assert "'1' of the package usurper 0.3 is not used: gigatile has one of that name" in record.getMessage()
    assert offered.names() == ("1", "3")
    assert offered.packages("1") == {}


def test_two_packages_with_one_name_are_both_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("first", "second"):
        install(monkeypatch, tmp_path / name, {GROUP: {"5": "nowhere:FIVE"}}, name=name)
    offered = registry(1 + 2j)
    assert offered.find("1") == 1 + 2j
    with pytest.raises(ValueError, match=r"offered by the package (first|second) 1\.0 and by the package") as caught:
        offered.find("5")
    assert "first 1.0" in str(caught.value)
    assert "second 1.0" in str(caught.value)


def test_what_fails_later_names_the_package_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """But for what is for the user as it is, and for faults of our own."""
    install(monkeypatch, tmp_path, {GROUP: {"5": "nowhere:FIVE"}}, name="five", version="2.1")
    offered = registry(1 + 2j)
    with (
        pytest.raises(ValueError, match=r"^number '5' of the package five 2\.1 failed \(KeyError: 'x'\): mend"),
        offered.blaming("5"),
    ):
        raise KeyError("x")
    for name, error in (("5", ValueError("a line")), ("5", FileNotFoundError("a line")), ("1", KeyError("x"))):
        with pytest.raises(type(error)) as caught, offered.blaming(name):
            raise error
        assert caught.value is error
