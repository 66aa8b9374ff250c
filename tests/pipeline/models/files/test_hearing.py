"""What the libraries leave out is passed on, whatever is muted; their chatter is not."""

from __future__ import annotations

import logging

import pytest
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from pipeline.models.files.hearing import hearing, muted

SAID = (
    ("diffusers", "Some weights of the model checkpoint at x were not used when initializing Y: ['a']"),
    ("diffusers", "The config attributes {'a': 1} were passed to Y, but are not expected and will be ignored."),
    ("transformers", "\x1b[1mY LOAD REPORT\x1b[0m from: x\nfoo.bar | UNEXPECTED |"),
    ("transformers", "You are using a model of type a to instantiate a model of type b."),
)


@pytest.mark.parametrize(("library", "message"), SAID)
def test_what_is_left_out_is_passed_on(library: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    verbosity = {"diffusers": diffusers_logging, "transformers": transformers_logging}[library]
    before = verbosity.get_verbosity()
    verbosity.set_verbosity_error()
    try:
        with hearing():
            logging.getLogger(f"{library}.models").warning(message)
            logging.getLogger(f"{library}.models").warning("chatter")
        assert verbosity.get_verbosity() == logging.ERROR
    finally:
        verbosity.set_verbosity(before)
    (said,) = (record.getMessage() for record in caplog.records)
    assert message.split()[-1] in said
    assert "\x1b" not in said
    assert "\n" not in said


def test_a_caller_may_know_better(caplog: pytest.LogCaptureFixture) -> None:
    with hearing() as heard:
        for library, message in SAID:
            logging.getLogger(f"{library}.models").warning(message)
        heard.tensors.clear()
    with muted():
        logging.getLogger("diffusers.models").warning(SAID[0][1])
    assert len(caplog.records) == 2
