"""``make demo``: enlarge a real picture four times with the embedded model, and say where to look."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from skimage import data

from cluster.pictures.viewer import write_viewer

FOLDER = Path("demo")

CROP = (380, 110, 540, 230)
"""left, top, right, bottom in input pixels of the part shown side by side: a spiral galaxy and its neighbours"""


def main() -> None:
    """NASA's Hubble deep field, 872 x 1000 pixels, as scikit-image ships it; about two minutes on two cores."""
    FOLDER.mkdir(exist_ok=True)
    before, after = FOLDER / "hubble.png", FOLDER / "hubble-x4.png"
    if not before.is_file():
        Image.fromarray(data.hubble_deep_field()).save(before)
    words = ["upscale", str(before), str(after)]
    print(f"$ gigatile {' '.join(words)}", flush=True)
    started = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "cluster.cli", *words], check=False).returncode
    if code:
        sys.exit(code)
    page = write_viewer(FOLDER, before, after, title="Hubble deep field, enlarged four times by gigatile")
    side = write_side_by_side(before, after, FOLDER / "before-after.png")
    print(f"picture       {after}")
    print(f"before, after {side}")
    print(f"viewer        {page} (open it in a browser)")
    print(f"run           {after}.run ({time.monotonic() - started:.0f} s; `gigatile status {after}.run`)")


def write_side_by_side(before: Path, after: Path, to: Path) -> Path:
    """One crop of both pictures, the first enlarged by bicubic, with a white line between them."""
    with Image.open(before) as small, Image.open(after) as large:
        scale = large.width // small.width
        size = ((CROP[2] - CROP[0]) * scale, (CROP[3] - CROP[1]) * scale)
        left = small.convert("RGB").crop(CROP).resize(size, Image.Resampling.BICUBIC)
        box = (CROP[0] * scale, CROP[1] * scale, CROP[2] * scale, CROP[3] * scale)
        right = large.convert("RGB").crop(box)
    sheet = Image.new("RGB", (2 * size[0] + 4, size[1]), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (size[0] + 4, 0))
    sheet.save(to)
    return to


if __name__ == "__main__":
    main()
