"""The command that writes a report, of a run as the command line made it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tests.cluster.report.test_page import Reader


@pytest.mark.usefixtures("image")
def test_a_run_and_its_report(run: Callable[..., Result], tmp_path: Path) -> None:
    """Its one worker was there, did tasks, and went."""
    assert run("upscale", "in.png", "out.png", "--scale", "2").exit_code == 0
    result = run("report", "out.png.run", "--price", "1", "--result", "out.png", "--against", "in.png")
    assert result.exit_code == 0, result.output
    page = tmp_path / "out.png.run.report.html"
    text = Reader(page.read_text()).text
    for told in ("finished", "denoise", "decode", "local", "waiting for work", "ingest", "Quality", "RMSE", "cost"):
        assert told in text
    assert page.read_text().count("data:image/jpeg") == 2
    again = run("report", "out.png.run")
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    assert run("report", "out.png.run", "--overwrite").exit_code == 0


def test_no_run(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("report", "nothing")
    assert result.exit_code == 1
    assert "nothing" in result.output
    assert not list(tmp_path.glob("*.html"))
    assert np.size(result.output.splitlines()) == 1
