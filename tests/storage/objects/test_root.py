from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, GenericError

from storage.objects import root as objects
from storage.objects.root import ObjectRoot
from tests.storage.full_disk import run_on_a_full_disk

_NUM_RACERS = 8


class TestObjectRoot:
    """The contract, over both kinds of store."""

    def test_a_key_gives_back_its_bytes(self, root: ObjectRoot) -> None:
        root.put("a/b", b"one")
        root.put("a/b", b"two")
        assert root.get("a/b") == b"two"
        assert root.exists("a/b")

    def test_an_absent_key(self, root: ObjectRoot) -> None:
        with pytest.raises(KeyError, match="nothing"):
            root.get("nothing")
        assert not root.exists("nothing")
        root.delete("nothing")

    @pytest.mark.parametrize("durable", [False, True])
    def test_put_new_creates_once(self, root: ObjectRoot, durable: bool) -> None:
        assert root.put_new("deep/down/key", b"first", durable=durable)
        assert not root.put_new("deep/down/key", b"second", durable=durable)
        assert root.get("deep/down/key") == b"first"
        root.delete("deep/down/key")
        assert root.put_new("deep/down/key", b"third", durable=durable)

    @pytest.mark.parametrize("durable", [False, True])
    def test_a_race_has_exactly_one_winner(self, root: ObjectRoot, durable: bool) -> None:
        with ThreadPoolExecutor(_NUM_RACERS) as pool:
            for number in range(5):
                start = Barrier(_NUM_RACERS)

                def race(racer: int, key: str = f"race/{number}", start: Barrier = start) -> bool:
                    start.wait()
                    return root.put_new(key, str(racer).encode(), durable=durable)

                won = list(pool.map(race, range(_NUM_RACERS)))
                assert won.count(True) == 1
                assert root.get(f"race/{number}") == str(won.index(True)).encode()
        assert len(list(root.list("race"))) == 5

    def test_list_and_size_stay_in_their_folder(self, root: ObjectRoot) -> None:
        for key in ("z/0/s1/c", "z/0/s10/c", "z/other", "pixels/c"):
            root.put(key, b"12345")
        assert set(root.list("z/0/s1")) == {"z/0/s1/c"}
        assert set(root.list("z")) == {"z/0/s1/c", "z/0/s10/c", "z/other"}
        assert list(root.list("absent")) == []
        assert root.size("z") == 15
        assert root.sizes() == {"z": 15, "pixels": 5}

    def test_many_keys_are_deleted_at_once(self, root: ObjectRoot) -> None:
        keys = [f"many/{number}" for number in range(40)]
        for key in keys:
            root.put(key, b"")
        root.put("other", b"")
        root.delete_all([*keys, "many/absent"])
        assert list(root.list("")) == ["other"]

    def test_more_keys_than_one_page(self, root: ObjectRoot) -> None:
        keys = {f"many/{number:05d}" for number in range(1100)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: root.put(key, b""), keys))
        assert set(root.list("many")) == keys

    def test_probe_passes_and_leaves_nothing(self, root: ObjectRoot) -> None:
        root.probe()
        assert list(root.list("")) == []

    def test_probe_refuses_a_store_that_ignores_conditions(
        self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = obstore.put
        monkeypatch.setattr(objects.obstore, "put", lambda store, key, data, **_: real(store, key, data))
        with pytest.raises(OSError, match="second writer") as caught:
            root.probe()
        assert root.url in str(caught.value)

    def test_it_pickles(self, root: ObjectRoot) -> None:
        root.put("key", b"value")
        assert pickle.loads(pickle.dumps(root)).get("key") == b"value"


class TestLocal:
    def test_file_urls_and_paths_are_the_same(self, tmp_path: Path) -> None:
        ObjectRoot.open(f"file://{tmp_path}/a%20b").put("key", b"value")
        assert ObjectRoot.open(str(tmp_path / "a b")).get("key") == b"value"

    def test_a_relative_path_stays_when_the_process_moves(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        root = ObjectRoot.open("run")
        monkeypatch.chdir("/")
        pickle.loads(pickle.dumps(root)).put("key", b"value")
        assert (tmp_path / "run" / "key").read_bytes() == b"value"

    def test_a_place_below_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(NotADirectoryError, match="cannot make the folder"):
            ObjectRoot.open(str(tmp_path / "file" / "run"))

    def test_a_place_that_takes_no_files_is_refused(self) -> None:
        with pytest.raises(OSError, match="/proc/self"):
            ObjectRoot.open("/proc/self").probe()

    def test_an_absent_folder_is_not_made_in_passing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="shared folder"):
            ObjectRoot.open(str(tmp_path / "absent"), create=False)

    def test_a_worker_without_the_folder_is_told_so(self, tmp_path: Path) -> None:
        root = ObjectRoot.open(str(tmp_path / "run"))
        sent = pickle.dumps(root)
        (tmp_path / "run").rmdir()
        with pytest.raises(FileNotFoundError, match="on this machine"):
            pickle.loads(sent).get("key")

    def test_free_bytes(self, tmp_path: Path) -> None:
        free = ObjectRoot.open(str(tmp_path)).free_bytes()
        assert free is not None
        assert free > 0

    def test_it_says_so_after_a_fork(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = ObjectRoot.open(str(tmp_path))
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="spawn"):
            root.get("key")

    def test_a_full_disk_is_one_clear_error(self, tmp_path: Path) -> None:
        code = """
import sys
from storage.errors import StorageFullError
from storage.objects.root import ObjectRoot
root = ObjectRoot.open(sys.argv[1])
for put in (root.put_new, root.put, lambda key, data: root.put_new(key, data, durable=True)):
    try:
        put("key", bytes(200_000))
    except StorageFullError as error:
        print(error)
"""
        lines = run_on_a_full_disk(code, str(tmp_path)).splitlines()
        assert len(lines) == 3
        assert all("no room" in line and f"{tmp_path}/key" in line for line in lines)
        assert list(tmp_path.iterdir()) == []


class TestS3:
    def test_a_worker_needs_no_environment(self, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        root = ObjectRoot.open(s3_url)
        root.put("key", b"value")
        sent = pickle.dumps(root)
        for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        assert pickle.loads(sent).get("key") == b"value"

    def test_secrets_are_not_shown(self, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
        assert "very-secret" not in repr(ObjectRoot.open(s3_url))

    @pytest.mark.usefixtures("s3_url")
    def test_an_absent_bucket_is_one_clear_error(self) -> None:
        with pytest.raises(OSError, match="s3://no-such-bucket/run"):
            ObjectRoot.open("s3://no-such-bucket/run").probe()

    def test_there_is_no_free_space_to_know(self, s3_url: str) -> None:
        assert ObjectRoot.open(s3_url).free_bytes() is None


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a path or s3://"):
        ObjectRoot.open("ftp://host/run")


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_to_be_durable_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool) -> None:
    flushed = []
    monkeypatch.setattr("storage.objects.durable.os.fsync", flushed.append)
    assert ObjectRoot.open(tmp_path).put_new("a/key", b"value", durable=durable)
    assert bool(flushed) == durable


def test_sweeping_takes_what_is_ours_and_half_written(tmp_path: Path) -> None:
    names = ["journal/1.0a.partial", "z/c/0/1#3", "theirs.partial", "z/c/0/1"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    root, asked = ObjectRoot.open(tmp_path), []

    def is_ours(key: str) -> bool:
        asked.append(key)
        return key != "theirs.partial"

    assert root.sweep(is_ours) == 2
    assert sorted(asked) == sorted(names[:3])
    assert [name for name in names if (tmp_path / name).exists()] == names[2:]


def test_a_put_whose_answer_got_lost_is_told_from_a_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an object store: asked again it says that the key is there; whose it is, its bytes say."""
    for kept, is_ours in ((b"mine", True), (b"theirs", False)):
        root = ObjectRoot.open("s3://bucket/run")
        monkeypatch.setattr(root.retries, "sleep", lambda _seconds: None)
        answers = iter([GenericError("status code: 503"), AlreadyExistsError("there")])

        def put(*_: object, answers: Iterator[Exception] = answers, **__: object) -> None:
            raise next(answers)

        monkeypatch.setattr(objects.obstore, "put", put)
        monkeypatch.setattr(ObjectRoot, "exists", lambda _root, _key: True)
        monkeypatch.setattr(ObjectRoot, "get", lambda _root, _key, kept=kept: kept)
        assert root.put_new("key", b"mine") == is_ours


def test_a_key_that_was_there_before_the_first_try_is_a_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with the same bytes: nothing of ours was under way."""
    root = ObjectRoot.open("s3://bucket/run")

    def put(*_: object, **__: object) -> None:
        raise AlreadyExistsError("there")

    monkeypatch.setattr(objects.obstore, "put", put)
    monkeypatch.setattr(ObjectRoot, "exists", lambda _root, _key: True)
    monkeypatch.setattr(ObjectRoot, "get", lambda _root, _key: b"mine")
    assert not root.put_new("key", b"mine")


def test_bytes_that_were_lost_on_the_way_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than the store holds, or others than it has a checksum of."""
    data = b"some bytes"
    tag = hashlib.md5(data).hexdigest()
    root = ObjectRoot.open("s3://bucket/run")
    monkeypatch.setattr(root.retries, "sleep", lambda _seconds: None)
    answers = iter([b"some byt", b"some bytez", data])

    def get(*_: object) -> Any:
        found = next(answers)
        return SimpleNamespace(bytes=lambda: found, meta={"e_tag": tag, "size": len(data)})

    monkeypatch.setattr(objects.obstore, "get", get)
    assert root.get("key") == data
