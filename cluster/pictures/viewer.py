"""A page that swipes between two pictures of one scene: one file beside them, for any browser, from any folder."""

from __future__ import annotations

import html
import os
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from storage.images.target import check_apart

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  html, body {{ margin: 0; height: 100%; background: #111; color: #ddd; font: 14px/1.4 system-ui, sans-serif; }}
  body {{ display: flex; flex-direction: column; }}
  header {{ padding: 6px 12px; }}
  #frame {{ position: relative; flex: 1; overflow: hidden; cursor: grab; touch-action: none; }}
  #frame img {{ position: absolute; left: 0; top: 0; transform-origin: 0 0; user-select: none; max-width: none; }}
  #line {{ position: absolute; top: 0; bottom: 0; width: 3px; margin-left: -1px; background: #fff; cursor: ew-resize; }}
  #line::after {{ content: "\\2194"; position: absolute; top: 50%; left: -13px; width: 29px; height: 29px; color: #111;
    line-height: 29px; text-align: center; background: #fff; border-radius: 50%; }}
  #line:focus-visible {{ outline: 2px solid #6af; }}
</style>
<header>{title} &middot; left: {before_name}, {before_size} &middot; right: {after_name}, {after_size}
  &middot; drag the line, drag the picture, wheel to zoom, arrows to move the line</header>
<div id="frame">
  <img id="after" alt="{after_name}" src="{after_url}" draggable="false">
  <img id="before" alt="{before_name}" src="{before_url}" draggable="false">
  <div id="line" role="slider" tabindex="0" aria-label="share of the first picture"
    aria-valuemin="0" aria-valuemax="100"></div>
</div>
<script>
"use strict";
const frame = document.getElementById("frame"), line = document.getElementById("line");
const before = document.getElementById("before"), after = document.getElementById("after");
const width = {width}, height = {height};
let zoom = 1, x = 0, y = 0, share = 0.5, held = null;
before.style.width = after.style.width = width + "px";
before.style.height = after.style.height = height + "px";
function draw() {{
  const move = `translate(${{x}}px, ${{y}}px) scale(${{zoom}})`;
  before.style.transform = after.style.transform = move;
  const edge = (share * frame.clientWidth - x) / zoom;
  before.style.clipPath = `inset(0 ${{Math.max(0, width - edge)}}px 0 0)`;
  after.style.clipPath = `inset(0 0 0 ${{Math.max(0, edge)}}px)`;
  before.style.imageRendering = after.style.imageRendering = zoom >= 4 ? "pixelated" : "auto";
  line.style.left = share * 100 + "%";
  line.setAttribute("aria-valuenow", Math.round(share * 100));
}}
function fit() {{
  zoom = Math.min(frame.clientWidth / width, frame.clientHeight / height);
  x = (frame.clientWidth - width * zoom) / 2;
  y = (frame.clientHeight - height * zoom) / 2;
  draw();
}}
function setShare(value) {{ share = Math.min(1, Math.max(0, value)); draw(); }}
frame.addEventListener("wheel", event => {{
  event.preventDefault();
  const box = frame.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
  const next = Math.min(32, Math.max(0.02, zoom * Math.exp(-event.deltaY / 400)));
  x = px - (px - x) * next / zoom;
  y = py - (py - y) * next / zoom;
  zoom = next;
  draw();
}}, {{ passive: false }});
frame.addEventListener("pointerdown", event => {{
  held = event.target === line ? "line" : "picture";
  frame.setPointerCapture(event.pointerId);
}});
frame.addEventListener("pointermove", event => {{
  if (held === "line") setShare((event.clientX - frame.getBoundingClientRect().left) / frame.clientWidth);
  if (held === "picture") {{ x += event.movementX; y += event.movementY; draw(); }}
}});
frame.addEventListener("pointerup", () => {{ held = null; }});
line.addEventListener("keydown", event => {{
  const step = {{ ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }}[event.key];
  if (step) {{ event.preventDefault(); setShare(share + step); }}
}});
window.addEventListener("resize", fit);
Promise.all([before.decode(), after.decode()]).then(() => {{ fit(); window.ready = true; }});
</script>
</html>
"""


def write_viewer(folder: Path, before: Path, after: Path, *, title: str) -> Path:
    """Write ``folder``/index.html, which shows both pictures in one frame of the second one's size.

    The pictures stay where they are and are referred to by relative paths, so the folder can be moved as a whole.
    """
    sizes = []
    for path in (before, after):
        with Image.open(path) as picture:
            sizes.append(picture.size)
    page = _PAGE.format(
        title=html.escape(title),
        before_name=html.escape(before.name),
        after_name=html.escape(after.name),
        before_size=f"{sizes[0][0]} x {sizes[0][1]}",
        after_size=f"{sizes[1][0]} x {sizes[1][1]}",
        before_url=quote(os.path.relpath(before, folder)),
        after_url=quote(os.path.relpath(after, folder)),
        width=sizes[1][0],
        height=sizes[1][1],
    )
    target = folder / "index.html"
    check_apart(target, [before, after])
    target.write_text(page, encoding="utf-8")
    return target
