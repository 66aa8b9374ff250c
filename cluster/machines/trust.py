"""Whether a cluster asks for a token, and whether ours is the right one: asked before it is joined.

Ray's own words for a missing or a wrong token are "failed to connect", with another address than was given. A cluster
that asks for none lets anybody who reaches its port run code and read what its workers are sent, the credentials of the
run's store among it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive"
"""a question that changes nothing; an empty message is a valid one"""
SECONDS = 5.0
SWITCH_ON = (
    "`ray get-auth-token --generate` once, then `export RAY_AUTH_MODE=token` where the cluster is started and here, "
    "with the same token in ~/.ray/auth_token, RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN"
)


class Answer(StrEnum):
    """What a cluster says to a token, or to none."""

    WELCOME = "welcome"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """something else answered, or nobody"""


Ask = Callable[[str, str | None], Answer]
"""address (host:port) and token -> answer"""


def ask(address: str, token: str | None) -> Answer:
    """Ask a cluster's store (GCS) whether it lives, with a token or without one."""
    import grpc

    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
        try:
            channel.unary_unary(CALL)(b"", timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as e:
            refused = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
            return Answer.REFUSED if e.code() in refused else Answer.UNKNOWN
        return Answer.WELCOME


def find_token(environment: Mapping[str, str] = os.environ) -> tuple[str | None, str]:
    """The token that Ray would show, and where it is from, in words. Raises nothing: an unreadable file holds none."""
    if environment.get("RAY_AUTH_TOKEN"):
        return environment["RAY_AUTH_TOKEN"].strip(), "RAY_AUTH_TOKEN"
    named = environment.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path(environment.get("HOME") or "/") / ".ray" / "auth_token"
    where = f"RAY_AUTH_TOKEN_PATH ({path})" if named else str(path)
    try:
        return path.read_text().strip() or None, where
    except (OSError, ValueError):
        return None, where


def objection(
    address: str, *, allow_open: bool, environment: Mapping[str, str] = os.environ, ask: Ask = ask
) -> str | None:
    """Why a cluster at ``address`` (host:port) is not to be joined, or cannot be, with the mend; None where it can.

    ``allow_open``: the user's word that a cluster without a token may be used.
    """
    bare = ask(address, None)
    if bare is Answer.WELCOME:
        return None if allow_open else open_cluster(address)
    if bare is Answer.UNKNOWN:
        return None  # joining it will tell
    token, where = find_token(environment)
    if token is None:
        return f"the cluster at {address} asks for a token and there is none in {where}: {_MEND}"
    if environment.get("RAY_AUTH_MODE", "").lower() != "token":
        mode = environment.get("RAY_AUTH_MODE")
        if mode or ask(address, token) is not Answer.REFUSED:
            state = f"RAY_AUTH_MODE is {mode}" if mode else "RAY_AUTH_MODE is not set"
            return f"the cluster at {address} asks for a token and {state}: `export RAY_AUTH_MODE=token`"
    if ask(address, token) is Answer.REFUSED:
        return f"the cluster at {address} does not take the token in {where}: {_MEND}"
    return None


def open_cluster(address: str) -> str:
    """Why a cluster without a token is not joined, and what to do."""
    return _OPEN.format(address=address)


_MEND = (
    "copy the one with which the cluster was started (`ray get-auth-token` prints it there), or name its file in "
    + ("RAY_AUTH_TOKEN_PATH, and `export RAY_AUTH_MODE=token`")
)
_OPEN = (
    "the cluster at {address} asks for no token: whoever reaches its port can run code on it and read what its workers "
    "are sent, in clear, the credentials of the run's store among it; switch tokens on ("
    + SWITCH_ON
    + "), or give --allow-open-cluster where nobody else can reach it"
)
