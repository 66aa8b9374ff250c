"""What is said of a cluster's token, or of its lack of one, before it is joined; no Ray is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.machines import connect
from cluster.machines.trust import Answer, Ask, ask, find_token, objection


def cluster(right: str | None) -> Ask:
    """A cluster that takes this token, or asks for none."""

    def answer(_address: str, token: str | None) -> Answer:
        return Answer.WELCOME if right is None or token == right else Answer.REFUSED

    return answer


GOOD = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "right"}


def test_the_right_token() -> None:
    assert objection("h:1", allow_open=False, environment=GOOD, ask=cluster("right")) is None


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({**GOOD, "RAY_AUTH_TOKEN": "wrong"}, "does not take the token in RAY_AUTH_TOKEN: copy the one"),
        ({"RAY_AUTH_TOKEN": "wrong"}, "does not take the token in RAY_AUTH_TOKEN"),
        ({"RAY_AUTH_TOKEN": "right"}, "RAY_AUTH_MODE is not set: `export RAY_AUTH_MODE=token`"),
        ({**GOOD, "RAY_AUTH_MODE": "disabled"}, "RAY_AUTH_MODE is disabled: `export RAY_AUTH_MODE=token`"),
        ({"RAY_AUTH_MODE": "token", "HOME": "/nowhere"}, "there is none in /nowhere/.ray/auth_token: copy"),
        ({"RAY_AUTH_TOKEN_PATH": "/nowhere/token"}, "there is none in RAY_AUTH_TOKEN_PATH (/nowhere/token)"),
    ],
)
def test_a_token_that_is_wrong_or_missing_is_named(environment: dict[str, str], said: str) -> None:
    found = objection("h:1", allow_open=True, environment=environment, ask=cluster("right"))
    assert found is not None
    assert said in found
    assert "right" not in found.replace("copy the one", "")
    assert "\n" not in found


def test_an_open_cluster_needs_a_word() -> None:
    found = objection("h:1", allow_open=False, environment=GOOD, ask=cluster(None))
    assert found is not None
    assert "asks for no token" in found
    assert "--allow-open-cluster" in found
    assert "RAY_AUTH_MODE=token" in found
    assert objection("h:1", allow_open=True, environment=GOOD, ask=cluster(None)) is None


def test_what_is_no_cluster_is_left_to_ray() -> None:
    assert objection("h:1", allow_open=False, environment={}, ask=lambda *_: Answer.UNKNOWN) is None


def test_nobody_answers() -> None:
    assert ask("127.0.0.1:1", None) is Answer.UNKNOWN


def test_a_token_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("abc\n")
    assert find_token({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "t")})[0] == "abc"
    (tmp_path / "t").write_bytes(b"\xff\xfe")
    assert find_token({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "t")})[0] is None


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_address_for_jobs_is_told_from_the_clusters(scheme: str) -> None:
    for address, environment in (
        ("auto", {"RAY_ADDRESS": f"{scheme}://head:8265"}),
        (f"{scheme}://head:8265/", {}),
    ):
        with pytest.raises(connect.UnreachableError, match=r"is the address for jobs .* joins head:6379"):
            connect.find_cluster(address, environment)


def test_the_whole_of_rays_words_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ConnectionError("no cluster here.\n\nTo fix this, either:\n1. start one\n2. ask")

    monkeypatch.setattr(connect, "find_cluster", lambda _address: "")
    monkeypatch.setattr(connect.ray, "init", refuse)
    with pytest.raises(connect.UnreachableError, match=r"either: 1\. start one 2\. ask; is it the address"):
        connect.join_cluster("auto")
