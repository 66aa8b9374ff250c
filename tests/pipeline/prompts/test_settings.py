"""What a recipe can say of prompts."""

from __future__ import annotations

import pytest

from pipeline.prompts.settings import MOST_PARENTS, Prompts
from tests.support.settings import told


def test_bounds() -> None:
    assert Prompts(parents=MOST_PARENTS, word_share=1).word_share == 1.0
    with pytest.raises(ValueError, match=r"prompts.parents must be between 0 and 4, got 5"):
        Prompts(parents=MOST_PARENTS + 1)


def test_what_is_said_of_prompts() -> None:
    assert told(Prompts) == {
        "text": "''",
        "negative": "''",
        "source": "None; first without; plain 'global'",
        "word_share": "0.3; between 0 and 1; read_with prompts.source = 'attention'",
        "collect_words": "False; needs difficulty.activity = 'all'; needs model.compile = false",
        "tag_threshold": "None; between 0 and 1; read_with prompts.source = 'local'",
        "most_tags": "None; at least 0; read_with prompts.source = 'local' or 'file'",
        "least_confidence": "0.0; between 0 and 1; needs prompts.source = 'local' or 'file'; late; first without",
        "parents": "0; between 0 and 4; needs prompts.source = 'local' or 'file'; late; first without",
        "tags_first": "False; read_with prompts.source = 'local' or 'file'",
        "degradations": "'prompt'; needs prompts.source = 'local' or 'file'; late; first without",
        "captions": "'short'; first without",
        "crops": "None",
    }
