"""The run store on an object store whose network and answers fail: what passes is waited out, nothing is believed
twice that is not true, and the rest is one line."""

from __future__ import annotations

import hashlib
import itertools
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest

from storage.box import RegionGrid
from storage.errors import MissingRegionError, NoBucketError
from storage.journal import Record
from storage.lease import Lease
from storage.objects import asking, listing
from storage.objects import root as objects
from storage.objects.integrity import DamagedOnTheWayError, Integrity
from storage.objects.refusals import without_secrets
from storage.objects.retrying import Retries
from storage.objects.root import ObjectRoot
from storage.run import RunStore
from storage.tables import VectorTable, read_table, write_table
from tests.support.faulty_proxy import Fault, FaultyProxy, Request, Script, some_faults
from tests.support.runs import digest, make_case, sit

GRID = RegionGrid(height=16, width=16, side=8)


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def retries(self, **given: Any) -> Retries:
        return Retries(clock=lambda: self.now, sleep=self.sleep, jitter=lambda: 1.0, **given)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time of every store that is opened."""
    clock = Clock()
    monkeypatch.setattr(asking, "Retries", clock.retries)
    return clock


@pytest.fixture(scope="module")
def a_proxy(s3_server: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3_server).serving() as proxy:
        yield proxy


@pytest.fixture
def proxy(a_proxy: FaultyProxy, s3_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> FaultyProxy:
    monkeypatch.setenv("AWS_ENDPOINT_URL", a_proxy.endpoint)
    a_proxy.befall(lambda _request: None)
    return a_proxy


@pytest.fixture
def root(proxy: FaultyProxy, s3_url: str) -> ObjectRoot:
    return ObjectRoot.open(s3_url)


def once(fault: Fault) -> Script:
    """Every request has this fault the first time."""
    return lambda request: fault if request.turn == 0 else None


def record(region: int) -> Record:
    return Record(kind="merge", stage=0, step=1, region=region, crc32c=1, attempt=0, worker="w", seconds=0.0)


def put_and_get(root: ObjectRoot) -> None:
    root.put("a/key", b"some bytes")
    assert root.get("a/key") == b"some bytes"
    root.put("a/key", b"others")
    assert root.get("a/key") == b"others"


def create(root: ObjectRoot) -> None:
    root.put("there", b"theirs")
    assert root.put_new("new", b"mine") or root.holds("new", b"mine")
    assert not root.put_new("there", b"mine")
    assert root.get("there") == b"theirs"
    assert not root.holds("there", b"mine")


def look(root: ObjectRoot) -> None:
    root.put("there", b"1")
    assert root.exists("there")
    assert not root.exists("absent")
    with pytest.raises(KeyError, match="absent"):
        root.get("absent")


def list_and_delete(root: ObjectRoot) -> None:
    keys = {f"many/{number}" for number in range(6)}
    for key in keys:
        root.put(key, b"12")
    assert set(root.list("many")) == keys
    assert root.size("many") == 12
    root.delete_all([*keys, "many/absent"])
    assert list(root.list("many")) == []


def probe(root: ObjectRoot) -> None:
    root.probe()
    assert list(root.list("")) == []


def write_regions(root: ObjectRoot) -> None:
    array = RunStore(root).array("z/0/s0001", channels=2, grid=GRID, dtype="float32")
    values = np.arange(128, dtype=np.float32).reshape(2, 8, 8)
    crc = array.write(3, values)
    assert array.write(3, values) == crc == array.crc(3)
    again = RunStore(root).open_array("z/0/s0001")
    assert np.array_equal(again.read_region(3), values)
    assert again.regions() == {3}
    with pytest.raises(MissingRegionError):
        again.read_region(0)


def journal(root: ObjectRoot) -> None:
    store = RunStore(root)
    lease = store.acquire_lease("me")
    for region in range(3):
        store.journal.append([record(region)], lease.generation)
    assert [one.region for one in RunStore(root).journal.replay()] == [0, 1, 2]
    lease.beat()
    lease.release()
    later = RunStore(root).acquire_lease("you")
    assert later.generation == 2


def plan_and_blobs(root: ObjectRoot) -> None:
    store = RunStore(root)
    assert store.read_plan() is None
    store.write_plan(b"{}")
    assert store.read_plan() == b"{}"
    store.write_status({"state": "running"})
    assert json.loads(store.read_status() or b"") == {"state": "running"}


def table(root: ObjectRoot) -> None:
    keys = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_table(root.url, VectorTable(columns={"keys": keys}, facts={"side": 8}))
    read = read_table(root.url)
    assert np.array_equal(read.columns["keys"], keys)
    assert read.facts == {"side": 8}


USES = (put_and_get, create, list_and_delete, probe, write_regions, journal)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("use", USES)
def test_each_request_fails_once(
    root: ObjectRoot, proxy: FaultyProxy, use: Callable[[ObjectRoot], None], fault: Fault
) -> None:
    proxy.befall(once(fault))
    use(root)
    assert proxy.done[fault] > 0


@pytest.mark.parametrize("use", [*USES, look, plan_and_blobs, table])
def test_one_request_of_ten_fails_somehow(
    root: ObjectRoot, proxy: FaultyProxy, use: Callable[[ObjectRoot], None]
) -> None:
    proxy.befall(some_faults(seed=3, share=0.1))
    use(root)


def test_a_whole_run_gives_the_same_bytes(
    proxy: FaultyProxy, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds of faults, at one request of twelve: one sitting, no word of it, the bytes of a local disk."""
    case = make_case("analytic", height=40, width=50, solver="unipc", steps=2, region=16, window=16, overlap=6)
    oracle = case.begin(str(tmp_path / "oracle"))
    sit(case, oracle)
    proxy.befall(some_faults(seed=1, share=0.08))
    store = case.begin(s3_url)
    sit(case, store)
    assert set(proxy.done) == set(Fault)
    proxy.befall(lambda _request: None)
    assert digest(case, store) == digest(case, oracle)


@pytest.mark.parametrize("seconds", [6, 40, 100])
def test_an_outage_shorter_than_the_patience_is_waited_out(
    root: ObjectRoot, proxy: FaultyProxy, clock: Clock, seconds: float
) -> None:
    root.put("key", b"value")
    began = clock.now
    proxy.befall(lambda _request: Fault.ERROR if clock.now - began < seconds else None)
    assert root.get("key") == b"value"
    assert seconds <= clock.now - began <= 120


def test_after_the_patience_the_first_error_is_told_and_the_next_operations_end_at_once(
    root: ObjectRoot, proxy: FaultyProxy, clock: Clock
) -> None:
    root.put("key", b"value")
    began = clock.now
    proxy.befall(lambda request: (500, "InternalError") if request.turn == 0 else (503, "SlowDown"))
    with pytest.raises(
        OSError, match=r"cannot read .*/key: the store answered 500 InternalError \(asked again for 1..? s"
    ):
        root.get("key")
    assert 110 <= clock.now - began <= 120
    began = clock.now
    with pytest.raises(OSError, match="cannot write"):
        root.put_new("lease/0001.released", b"")
    assert clock.now == began
    proxy.befall(lambda _request: None)
    assert root.get("key") == b"value"
    proxy.befall(once(Fault.ERROR))
    assert root.get("key") == b"value"


def test_a_store_that_never_answered_is_given_up_sooner(root: ObjectRoot, proxy: FaultyProxy, clock: Clock) -> None:
    proxy.befall(lambda _request: Fault.RESET)
    with pytest.raises(OSError, match=r"no answer from http://127\.0\.0\.1:\d+ .*nobody answers there: check AWS_END"):
        root.probe()
    assert 10 <= clock.now <= 15


def test_who_is_sent_the_root_of_a_store_that_answered_waits_as_long(root: ObjectRoot) -> None:
    assert pickle.loads(pickle.dumps(root)).retries.patience < root.retries.seconds
    root.exists("key")
    assert pickle.loads(pickle.dumps(root)).retries.patience == root.retries.seconds


def test_whoever_waits_can_be_stopped(root: ObjectRoot, proxy: FaultyProxy, clock: Clock) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    root.put("key", b"value")
    root.retries.on_wait = stop
    proxy.befall(once(Fault.ERROR))
    assert root.get("key") == b"value"
    proxy.befall(lambda _request: Fault.ERROR)
    began = clock.now
    with pytest.raises(KeyboardInterrupt):
        root.get("key")
    assert clock.now - began < 5


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (404, "NoSuchBucket", NoBucketError, "there is no bucket 'gigatile-tests': make the bucket first"),
        (400, "ExpiredToken", OSError, "the credentials have expired"),
        (403, "InvalidAccessKeyId", PermissionError, "does not know this access key: check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", PermissionError, "the secret key is not this access key's"),
        (403, "AccessDenied", PermissionError, "check the credentials and the bucket's policy"),
        (501, "NotImplemented", OSError, "use another"),
        (400, "SomethingElse", OSError, "check the credentials"),
        (403, "RequestTimeTooSkewed", OSError, "the clock of this machine is wrong"),
        (400, "AuthorizationHeaderMalformed", OSError, "another region: set AWS_REGION"),
        (301, "PermanentRedirect", OSError, "another region: set AWS_REGION"),
    ],
)
def test_what_does_not_pass_is_one_line_at_once(
    root: ObjectRoot, proxy: FaultyProxy, clock: Clock, status: int, code: str, error: type[Exception], words: str
) -> None:
    proxy.befall(lambda _request: (status, code))
    for use in (root.probe, lambda: root.get("key"), lambda: list(root.list("journal"))):
        with pytest.raises(error) as caught:
            use()
        assert words in str(caught.value)
        assert root.url in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "<" not in str(caught.value)
        assert code != "NoSuchBucket" or "probe-" not in str(caught.value)
    assert clock.now == 0


def test_a_refusal_within_a_question_ends_that_one_too(root: ObjectRoot, proxy: FaultyProxy, clock: Clock) -> None:
    """Whether the key is there is asked after a 412, and may not be."""
    proxy.befall(lambda request: (412, "PreconditionFailed") if request.method == "PUT" else (403, "AccessDenied"))
    with pytest.raises(PermissionError, match="not allowed to look up"):
        root.put_new("key", b"value")
    assert clock.now == 0


class TestTags:
    """Entity tags that are MD5, and such as only look so."""

    def test_a_store_with_keys_of_its_own_is_believed_after_one_more_look(self) -> None:
        integrity, tag = Integrity(), f'"{"a" * 32}"'
        with pytest.raises(DamagedOnTheWayError):
            integrity.check("key", b"data", tag, 4)
        integrity.check("key", b"data", tag, 4)
        integrity.check("other", b"more", tag, 4)

    def test_two_different_readings_prove_nothing(self) -> None:
        integrity, tag = Integrity(), f'"{hashlib.md5(b"data", usedforsecurity=False).hexdigest()}"'
        for data in (b"dat\x00", b"\x00ata", b"dat\x00"):
            with pytest.raises(DamagedOnTheWayError):
                integrity.check("key", data, tag, 4)
        integrity.check("key", b"data", tag, 4)

    def test_half_of_the_bytes_are_not_all(self) -> None:
        with pytest.raises(DamagedOnTheWayError, match="2 of 4 bytes"):
            Integrity().check("key", b"da", None, 4)


def test_what_was_damaged_on_its_way_to_the_store_is_written_again(
    root: ObjectRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sent = obstore.put, []

    def put(store: Any, key: str, data: bytes, **given: Any) -> Any:
        sent.append(key)
        return real(store, key, b"?" + data[1:] if len(sent) == 1 else data, **given)

    monkeypatch.setattr(objects.obstore, "put", put)
    assert root.put_new("key", b"value")
    assert root.get("key") == b"value"
    assert len(sent) == 2


class TestStoresThatSayYesToEverything:
    """No loop over a store is without an end."""

    def test_keys_that_are_all_there(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ObjectRoot, "exists", lambda *_: True)
        with pytest.raises(OSError, match="without an end"):
            RunStore(root).journal.replay()
        with pytest.raises(OSError, match="without an end"):
            Lease.acquire(root, owner="me")

    def test_a_journal_whose_next_number_is_always_taken(
        self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = RunStore(root)
        store.journal.claim(1)
        first = root.get("journal/00000000")
        monkeypatch.setattr(ObjectRoot, "put_new", lambda *_, **__: False)
        monkeypatch.setattr(ObjectRoot, "get", lambda *_: first)
        with pytest.raises(OSError, match="every key of the journal"):
            store.journal.append([record(0)], generation=2)

    def test_a_listing_that_goes_round(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        page = [{"path": "journal/00000000", "size": 1}]
        monkeypatch.setattr(listing.obstore, "list", lambda *_, **__: itertools.repeat(page))
        with pytest.raises(OSError, match="again and again"):
            list(root.list("journal"))

    def test_a_fresh_key_that_exists(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ObjectRoot, "put_new", lambda *_, **__: False)
        monkeypatch.setattr(ObjectRoot, "get", lambda *_: b"yes")
        with pytest.raises(OSError, match="claims that the fresh key"):
            root.probe()


class TestListing:
    def test_one_that_breaks_off_goes_on_behind_its_last_key(
        self, root: ObjectRoot, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "_PAGE", 2)
        keys = {f"many/{number}" for number in range(7)}
        for key in keys:
            root.put(key, b"1")
        asked: list[str] = []

        def script(request: Request) -> Fault | None:
            asked.append(request.path)
            return Fault.CUT if len(asked) % 2 else None

        proxy.befall(script)
        assert sorted(root.list("many")) == sorted(keys)

    def test_a_journal_whose_end_is_not_listed(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        store = RunStore(root)
        for region in range(3):
            store.journal.append([record(region)], 1)
        real = ObjectRoot.list
        monkeypatch.setattr(
            ObjectRoot, "list", lambda root, prefix, **more: iter(sorted(real(root, prefix, **more))[:-1])
        )
        assert [one.region for one in RunStore(root).journal.replay()] == [0, 1, 2]


class TestSecrets:
    """Credentials are nowhere in what is said."""

    @pytest.mark.parametrize("fault", [(403, "AccessDenied"), (400, "ExpiredToken"), Fault.RESET])
    def test_errors_do_not_hold_them(
        self, s3_url: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, fault: Fault | tuple[int, str]
    ) -> None:
        secrets = {
            "AWS_SECRET_ACCESS_KEY": "verysecret",
            "AWS_SESSION_TOKEN": "tokensecret",
            "AWS_ACCESS_KEY_ID": "idsecret",
        }
        for name, value in secrets.items():
            monkeypatch.setenv(name, value)
        root = ObjectRoot.open(s3_url)
        proxy.befall(lambda _request: fault)
        with pytest.raises(OSError, match="s3://") as caught:
            root.probe()
        for text in (str(caught.value), repr(root), repr(RunStore(root)), str(root.address)):
            assert not any(value in text for value in secrets.values())

    def test_a_text_is_scrubbed(self) -> None:
        text = "GET http://me:pass@host/x?X-Amz-Signature=abc failed for topsecret"
        said = without_secrets(text, {"aws_secret_access_key": "topsecret", "aws_region": "failed"})
        assert said == "GET http://***@host/x?*** failed for ***"

    @pytest.mark.usefixtures("s3_url")
    @pytest.mark.parametrize(
        "endpoint", ["http://me:secretpw@127.0.0.1:9", "secretpw:9", "http://", "http://a:secretpw/", "http://a b"]
    )
    def test_an_endpoint_with_a_password_is_refused(self, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(ValueError, match="AWS_ENDPOINT_URL") as caught:
            ObjectRoot.open("s3://bucket/run")
        assert "secretpw" not in str(caught.value)
