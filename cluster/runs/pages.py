"""A job of many pages as many jobs: each page is a picture and a run of its own."""

from __future__ import annotations

import dataclasses

from cluster.job import Job, parse_pages
from cluster.machines.waiting import Waiting
from storage.errors import ImageError
from storage.images.formats import numbered
from storage.images.source import num_pages

from .binding import open_source
from .upscale import check


def page_jobs(job: Job, waiting: Waiting | None = None) -> tuple[Job, ...]:
    """The job itself where it is of one picture; else one for each page, all checked before any of them begins.

    ``waiting``: for a cluster; see place.

    Page 2 goes to OUTPUT-p2.tif for OUTPUT.tif, and its run to RUN-p2 where one is named. Raises what ``check`` raises.
    """
    span = parse_pages(job.pages)
    if span is None or span[0] == span[1]:
        return (job,)
    if isinstance(job.input, tuple):
        raise ValueError(f"--pages {job.pages}: expected one INPUT file; several are bands of one scene")
    count, (first, last) = num_pages(job.input), span
    last = count if last is None else last
    if last > count:
        raise ImageError(f"{job.input} has {count} pages; expected --pages within 1 to {count}, got {job.pages}")
    jobs = tuple(_of_page(job, number) for number in range(first, last + 1))
    for one in jobs:
        with open_source(one) as source:
            check(one, source, waiting=waiting)
    return jobs


def _of_page(job: Job, number: int) -> Job:
    run = None if job.run is None else f"{job.run.rstrip('/')}-p{number}"
    return dataclasses.replace(job, pages=str(number), output=numbered(job.output, number), run=run)
