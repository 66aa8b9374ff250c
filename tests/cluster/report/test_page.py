"""A page that is whole by itself, whatever strangers called their files."""

from __future__ import annotations

from html.parser import HTMLParser

from cluster.report.page import Drawing, Picture, Section, Table, colour_key, to_html

HOSTILE = "</td></title><script>alert(1)</script><img src=http://x/y onerror=z>'\"&amp;"


class Reader(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page() -> str:
    return to_html(
        HOSTILE,
        [
            Section(
                title=HOSTILE,
                lines=[HOSTILE],
                parts=[
                    Table(heads=(HOSTILE,), rows=[(HOSTILE,)]),
                    Picture(caption=HOSTILE, uri="data:image/jpeg;base64,AAAA"),
                    Picture(caption=HOSTILE, reason=HOSTILE),
                    Drawing(svg="<svg><title>mine</title></svg>"),
                    colour_key(),
                ],
                notes=[HOSTILE],
            )
        ],
    )


def test_text_is_shown_and_never_obeyed() -> None:
    reader = Reader(page())
    assert "script" not in {tag for tag, _ in reader.tags}
    assert [tag for tag, _ in reader.tags].count("img") == 1
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    assert reader.text.count(HOSTILE) == 10, "title twice, section, line, head, cell, two captions, reason, note"


def test_nothing_is_fetched() -> None:
    """No address outside, and a policy that forbids what would be."""
    reader = Reader(page())
    addresses = [value for _, found in reader.tags for name, value in found.items() if name in ("src", "href", "data")]
    assert addresses == ["data:image/jpeg;base64,AAAA"]
    assert not {tag for tag, _ in reader.tags} & {"link", "script", "iframe", "object", "base"}
    policies = [found["content"] for tag, found in reader.tags if "http-equiv" in found]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert "url(" not in page()
    assert "@import" not in page()
