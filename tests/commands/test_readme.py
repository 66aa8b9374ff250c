"""The README's lines for a cluster, in a shell where `ray` and `gigatile` only say what they were given."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from cluster.machines.submission import pick_variables
from cluster.terminal.machines import check_places, read_job

ROOT = Path(__file__).resolve().parent.parent.parent
STUBS = 'ray() { true; }\ngigatile() { [ "$1" = submit ] && printf "%s\\0" "$@"; true; }\n'


def test_the_lines_pass_credentials_by_name_and_write_where_it_lasts() -> None:
    text = (ROOT / "README.md").read_text()
    (block,) = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "gigatile submit" in block]
    given = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "a/b+c=", "AWS_ENDPOINT_URL": ""}
    done = subprocess.run(
        ["bash", "-e", "-c", STUBS + block], env={**os.environ, **given}, capture_output=True, text=True, check=True
    )
    words = done.stdout.split("\0")
    assert pick_variables([words[words.index("--env") + 1]], {**given, "HOME": "/"}) == given
    job = read_job([word for word in words[words.index("--") + 1 :] if word])
    assert (job.run, job.workers) == ("s3://bucket/runs/scene", 40)
    check_places(job)


def test_links_between_documents_lead_somewhere() -> None:
    """From wherever a document stands; addresses of the web are not asked."""
    folders = ("docs", "training", "benchmarks", "pipeline", "cluster", "actors", "storage", "gigatile")
    documents = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))]
    assert len(documents) > 4
    lost = []
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
            if "://" not in target and not (document.parent / target).exists():
                lost.append(f"{document.relative_to(ROOT)}: {target}")
    assert lost == []
