"""Text of strangers on the terminal."""

from __future__ import annotations

import io
import logging

from rich.progress import Progress
from rich.table import Table

from cluster.console.screen import PlainColumn, Terminal, VisibleFormatter, visible

HOSTILE = "x[/b] [link=http://evil]a[/link] :smile: \x1b]0;owned\x07\x1b[31m \x9b31m \u202egnp.exe \udc80 \r\n é 好"


def shown(text: str) -> None:
    assert "x[/b] [link=http://evil]a[/link] :smile:" in text
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r", "\udc80"} & set(text)
    assert r"\x1b]0;owned\x07\x1b[31m \x9b31m \u202egnp.exe \udc80 \r\n" in text
    assert "é 好" in text


def test_every_character_is_shown() -> None:
    shown(visible(HOSTILE))
    assert visible("plain\ttext, ünï") == "plain\ttext, ünï"


def test_a_line_of_the_terminal() -> None:
    text = io.StringIO()
    Terminal(file=text, width=400, force_terminal=True).print(HOSTILE)
    shown(text.getvalue())


def test_cells_and_columns_take_no_markup() -> None:
    text = io.StringIO()
    console = Terminal(file=text, width=400)
    table = Table("a")
    table.add_row(visible(HOSTILE))
    console.print(table)
    shown(text.getvalue())
    bar = Progress(PlainColumn("{task.description}: {task.fields[text]}"), console=console)
    bar.add_task("[red]", text=HOSTILE)
    text.truncate(0)
    console.print(bar.get_renderable())
    shown(text.getvalue())
    assert "[red]: " in text.getvalue()


def test_log_lines_are_shown_and_stay_lines() -> None:
    record = logging.LogRecord("a", logging.WARNING, "f", 1, "%s", ("name\x1b[2J",), None)
    assert VisibleFormatter("gigatile: %(message)s").format(record) == r"gigatile: name\x1b[2J"
