"""What a recipe can say of prompts."""

from __future__ import annotations

import pytest

from pipeline.prompts.settings import MOST_PARENTS, Prompts


def test_bounds() -> None:
    assert Prompts(parents=MOST_PARENTS, word_share=1).word_share == 1.0
    with pytest.raises(ValueError, match=r"prompts.parents must be between 0 and 4, got 5"):
        Prompts(parents=MOST_PARENTS + 1)
