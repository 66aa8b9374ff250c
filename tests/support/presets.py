"""The presets as flat tables, which tests mix their own settings into."""

from __future__ import annotations

from typing import Any

from pipeline.plan.flat import FLAT
from pipeline.plan.presets import PRESETS as SHIPPED

_FLAT = {name: flat for flat, name in FLAT.items()}
PRESETS: dict[str, dict[str, Any]] = {
    name: {"name": name} | {_FLAT[setting]: value for setting, value in preset.settings.items()}
    for name, preset in SHIPPED.items()
}
"""preset -> flat name -> value"""
