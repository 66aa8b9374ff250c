"""A report as one page of HTML that needs nothing else: no network, no script; every text in it is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .drawing import COLOURS

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ margin: 0 auto; max-width: 1180px; padding: 16px; color: #222; background: #fff;
    font: 14px/1.45 system-ui, sans-serif; }}
  h1 {{ font-size: 22px; }}
  h2 {{ font-size: 17px; margin-top: 32px; border-bottom: 1px solid #ddd; }}
  table {{ border-collapse: collapse; margin: 8px 0; }}
  td, th {{ padding: 2px 12px 2px 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }}
  th {{ border-bottom: 1px solid #bbb; font-weight: 600; }}
  svg {{ width: 100%; height: auto; }}
  svg text {{ font: 11px system-ui, sans-serif; fill: #444; }}
  figure {{ display: inline-block; margin: 8px 16px 8px 0; }}
  figcaption {{ color: #555; }}
  img {{ max-width: 100%; }}
  .key span {{ display: inline-block; margin-right: 14px; }}
  .key i {{ display: inline-block; width: 12px; height: 12px; margin-right: 4px; }}
  .note {{ color: #865; }}
</style>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under heads."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as a data URI, and what it shows; or why it is not there."""

    caption: str
    uri: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Markup of our own that is put into the page as it is: an SVG."""

    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A head, lines of text, and what stands under them."""

    title: str
    lines: Sequence[str] = ()
    parts: Sequence[Table | Picture | Drawing] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    """what is missing, and why"""


def to_html(title: str, sections: Iterable[Section]) -> str:
    """The whole page."""
    body = "\n".join(_section(one) for one in sections)
    return f"{_HEAD.format(title=html.escape(title))}<h1>{html.escape(title)}</h1>\n{body}\n</html>\n"


def _section(section: Section) -> str:
    lines = [f"<h2>{html.escape(section.title)}</h2>"]
    lines += [f"<p>{html.escape(line)}</p>" for line in section.lines]
    lines += [_part(part) for part in section.parts]
    lines += [f'<p class="note">{html.escape(line)}</p>' for line in section.notes]
    return "\n".join(lines)


def _part(part: Table | Picture | Drawing) -> str:
    if isinstance(part, Drawing):
        return part.svg
    if isinstance(part, Table):
        return _table(part)
    caption = html.escape(part.caption)
    if not part.uri:
        return f'<p class="note">{caption}: {html.escape(part.reason)}</p>'
    uri = html.escape(part.uri)
    return f'<figure><img src="{uri}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def _table(table: Table) -> str:
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in table.heads)
    rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in table.rows)
    return f"<table><tr>{heads}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def colour_key() -> Drawing:
    """Which colour is which phase."""
    keys = "".join(f'<span><i style="background:{colour}"></i>{name}</span>' for name, colour in COLOURS.items())
    grey = '<span><i style="background:#e4e4e4"></i>there, and waiting</span>'
    return Drawing(svg=f'<p class="key">{keys}{grey}</p>')
