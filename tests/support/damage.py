"""Damage to files, by a seed: one member of a JSON table changed, or some bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

VALUES: list[Any] = [None, "x", -1, 0, 1e9, [], {}, True, [1], "7", 2**60, [["a"]]]


def mutated(table: Any, draw: random.Random) -> Any:
    """A copy of a JSON table with one member dropped, added or replaced, anywhere in it."""
    copy = json.loads(json.dumps(table))
    node = copy
    while True:
        key = draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
        if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.7:
            node = node[key]
            continue
        chance = draw.random()
        if chance < 0.2 and isinstance(node, dict):
            del node[key]
        elif chance < 0.3 and isinstance(node, dict):
            node["unheard of"] = 1
        else:
            node[key] = draw.choice(VALUES)
        return copy


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Bytes with some of them flipped, cut, doubled or zeroed."""
    place, kind = draw.randrange(len(data)), draw.randrange(5)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data + data[place:]
    if kind == 2:
        return bytes(len(data))
    found = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    return bytes(found)


def damages(data: bytes, seed: int, count: int = 300) -> Iterator[bytes]:
    """``count`` damaged forms of a JSON document, half of them JSON still."""
    draw, table = random.Random(seed), json.loads(data)
    for number in range(count):
        yield json.dumps(mutated(table, draw)).encode() if number % 2 else damaged(data, draw)
