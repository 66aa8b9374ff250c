"""A worker's tagger, loaded by the first task that tags, and the tags of the whole image, found once a run."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

from pipeline.models.protocol import Backbone, TaggingBackbone
from pipeline.plan.plan import Plan
from pipeline.prompts.tagging import Tagger, TaggerCard
from pipeline.taggers.loading import describe_tagger, load_tagger
from pipeline.tasks.crop_tags import Tags

from .blobs import Blobs
from .layout import GLOBAL_TAGS_BLOB


class LazyTagger:
    """The plan's tagger in this process: the model's own, or another that is loaded when it is first asked for."""

    def __init__(self, name: str | None, plan: Plan) -> None:
        """``name``: as the user named it; each node finds its own copy.

        Raises ValueError where this node's copy is not the one the plan was made with.
        """
        self._plan = plan
        self._tagger: Tagger | None = None
        self._card: TaggerCard | None = None
        if plan.tagger is not None:
            assert name is not None
            # a pickle of the fingerprint below is the one that was allowed when the plan was made
            self._card = card = describe_tagger(name, allow_pickle=True, strict=not plan.tagger.dropped)
            if card.fingerprint != plan.tagger.fingerprint:
                raise ValueError(
                    f"tagger {card.name} on {socket.gethostname()} has fingerprint {card.fingerprint[:12]}, the plan "
                    f"was made with {plan.tagger.fingerprint[:12]}: put the same files on every node"
                )

    def get(self, backbone: Backbone) -> Tagger:
        """``backbone``: whose own tagger it is, where the plan has no other."""
        if self._card is None:
            assert isinstance(backbone, TaggingBackbone)
            return backbone
        if self._tagger is None:
            plan = self._plan
            assert plan.tagger is not None
            captions = plan.recipe.prompts.captions
            self._tagger = load_tagger(self._card, plan.tagger, device=plan.device.kind, captions=captions)
        return self._tagger


class GlobalTags:
    """The content of the whole image: found by the task that embeds the prompts of all, read by those that tag."""

    def __init__(self, blobs: Blobs, tag_all_over: Callable[[], Tags]) -> None:
        self._blobs, self._tag_all_over = blobs, tag_all_over
        self._tags: Tags | None = None

    def find(self) -> Tags:
        """Tag all over the image and keep what is found."""
        self._tags = self._tag_all_over()
        self._blobs.put(GLOBAL_TAGS_BLOB, json.dumps(self._tags).encode())
        return self._tags

    def read(self) -> Tags:
        if self._tags is None:
            # what the journal does not tell of cannot be trusted: any text of the right form could be other words
            known = self._blobs.knows(GLOBAL_TAGS_BLOB)
            kept = _tags_from_bytes(self._blobs.get(GLOBAL_TAGS_BLOB) if known else None)
            # lost or damaged with a machine's page cache: tagging again gives the same words
            self._tags = self.find() if kept is None else kept
        return self._tags


def _tags_from_bytes(data: bytes | None) -> Tags | None:
    """What ``find`` wrote; None where it is not there, or damaged."""
    try:
        return [(phrase, sure) for phrase, sure in json.loads(data or b"")]
    except (ValueError, TypeError):
        return None
