"""The viewer's page, and the same in a real browser: the line decides which picture shows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from cluster.pictures.viewer import write_viewer

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    Image.new("RGB", (20, 10), "red").save(tmp_path / "before & small.png")
    Image.new("RGB", (80, 40), "blue").save(tmp_path / "after.png")
    return write_viewer(tmp_path, tmp_path / "before & small.png", tmp_path / "after.png", title="<Red> to blue")


def test_page_refers_to_both_pictures_and_nothing_else(page: Path) -> None:
    text = page.read_text()
    assert 'src="before%20%26%20small.png"' in text
    assert 'src="after.png"' in text
    assert "&lt;Red&gt; to blue" in text
    assert "20 x 10" in text
    assert "80 x 40" in text
    assert "http" not in text


@pytest.mark.slow
def test_swiping_in_a_browser(page: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 800, "height": 500})
        tab.goto(page.as_uri())
        tab.wait_for_function("window.ready === true")

        def shows(x: int, colour: tuple[int, ...]) -> bool:
            """Sooner or later: a browser draws when it comes to it."""
            for _ in range(300):
                if Image.open(io.BytesIO(tab.screenshot())).convert("RGB").getpixel((x, 300)) == colour:
                    return True
                tab.wait_for_timeout(100)
            return False

        assert shows(300, (255, 0, 0))
        assert shows(500, (0, 0, 255))
        tab.mouse.move(400, 300)
        tab.mouse.down()
        tab.mouse.move(600, 300, steps=4)
        tab.mouse.up()
        assert shows(500, (255, 0, 0))
        tab.focus("#line")
        tab.keyboard.press("Home")
        assert shows(300, (0, 0, 255))
        browser.close()
