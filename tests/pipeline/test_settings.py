"""What stands beside a field: its checks, in the terms that it is documented in."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from pipeline.plan.recipe import SECTIONS, SETTINGS, Recipe
from pipeline.settings import (
    SPREAD,
    WITHOUT,
    About,
    Section,
    above,
    by_name,
    check_needs,
    setting,
    settings_of,
    show,
    where,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sails(Section):
    section: ClassVar[str] = "sails"
    kind: str = setting("jib", "which", choices=("jib", "main"))
    area: float | None = setting(None, "how much", unit="m2", above=0, most=100)
    reefs: int = setting(0, "how many", least=0)
    sheet: tuple[float, float] = setting((1.0, 2.0), "where")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "spinnaker"}, "sails.kind must be one of jib, main, got 'spinnaker'"),
        ({"kind": None}, "sails.kind must be given, got None"),
        ({"area": 0.0}, "sails.area must be above 0 and at most 100, got 0.0"),
        ({"area": 101.0}, "above 0 and at most 100"),
        ({"area": math.nan}, "got nan"),
        ({"area": math.inf}, "got inf"),
        ({"area": -math.inf}, "got -inf"),
        ({"reefs": -1}, "sails.reefs must be at least 0, got -1"),
        ({"reefs": math.inf}, "sails.reefs must be finite and at least 0, got inf"),
    ],
)
def test_a_section_is_checked_when_it_is_made(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sails(**given)


def test_bounds_themselves_and_open_fields_pass() -> None:
    made = Sails(area=100, reefs=0, sheet=(3, 4))
    assert (made.area, made.sheet, Sails().area) == (100.0, (3.0, 4.0), None)
    # equal values have equal records
    assert [type(value) for value in (made.area, *made.sheet, made.reefs)] == [float, float, float, int]


def test_the_register_of_a_section() -> None:
    assert list(by_name((Sails,))) == ["sails.kind", "sails.area", "sails.reefs", "sails.sheet"]
    kind, area, *_ = settings_of(Sails)
    assert (kind.open, area.open, area.kind, area.about.unit) == (False, True, "float", "m2")
    assert (kind.about.neutral, kind.about.plain) == (("jib",), "jib")


def test_conditions() -> None:
    assert where("a.b", 1, 2).holds(2)
    assert not where("a.b", 1, 2).holds(3)
    assert above("a.b", 0).holds(0.1)
    assert not above("a.b", 0).holds(0)
    assert show(("a", 1.5)) == "['a', 1.5]"


def test_every_setting_is_whole() -> None:
    """Conditions name settings and values that there are; a text says what each means; defaults pass their checks."""
    for name, one in SETTINGS.items():
        about: About = one.about
        assert about.meaning, name
        assert about.meaning[-1] not in ".;", name
        assert about.first in ("", WITHOUT, SPREAD)
        about.check(name, about.plain)
        for condition in (*about.needs, *about.read_with, *about.excludes):
            other = SETTINGS[condition.setting]
            assert all(value in (other.about.choices or (True, False)) for value in condition.among), name
        assert one.open == (one.default is None)


def test_sections_are_the_recipes_fields() -> None:
    fields = {one.name: one.default_factory for one in dataclasses.fields(Recipe) if one.name != "name"}
    assert fields == {one.section: one for one in SECTIONS}


@pytest.mark.parametrize("name", [name for name, one in SETTINGS.items() if one.about.needs and not one.about.late])
def test_what_a_setting_needs_is_refused_without(name: str) -> None:
    one = SETTINGS[name]
    asking = {"bool": True, "int": 8, "float": 1.0, "str": (one.about.choices or ("",))[-1]}.get(one.kind, (1, 2, 4))
    (need, *_) = one.about.needs
    others = (*SETTINGS[need.setting].about.choices, True) if need.above is None else (0.0,)
    unmet = next(value for value in others if not need.holds(value))
    with pytest.raises(ValueError, match=f"{name} = .* is read with .* only, got .*: choose that, or leave {name} out"):
        Recipe().with_settings({name: asking, need.setting: unmet})


@pytest.mark.parametrize("name", [name for name, one in SETTINGS.items() if one.about.excludes])
def test_what_excludes_one_another_is_refused(name: str) -> None:
    one = SETTINGS[name]
    (clash,) = one.about.excludes
    asking = {"bool": True, "float": 0.5}.get(one.kind, (one.about.choices or ("",))[-1])
    with pytest.raises(ValueError, match=f"{name} = .* and {clash.setting} = .* exclude one another: .*"):
        Recipe().with_settings({name: asking, clash.setting: clash.among[0]})
    assert Recipe().with_settings({name: asking}).value(name) == asking


def test_late_needs_are_looked_at_when_the_recipe_is_bound() -> None:
    """Tags that go beside a recipe turn words from attention into those of a file."""
    asked = Recipe().with_settings({"prompts.source": "attention", "prompts.parents": 1})
    with pytest.raises(ValueError, match=r"prompts.parents = 1 is read with prompts.source = 'local' or 'file' only"):
        check_needs(asked.values(), SETTINGS, late=True)
    check_needs(asked.with_settings({"prompts.source": "file"}).values(), SETTINGS, late=True)
