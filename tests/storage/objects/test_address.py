from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from storage.objects.address import Address
from storage.objects.root import ObjectRoot

NAMES = (
    *("scene#1", "what?", "50%", "a%20b", "%2e%2e", "two words", "a+b", "a&b;c", "größe", "日本", "x=1", "~x", "-x"),
    *("[a]{b}", "'q'", "a:b", "a@2", "a\\b", "#", "?"),
)


@pytest.mark.parametrize("name", NAMES)
class TestNamesAreLiteral:
    def test_in_a_path(self, name: str, tmp_path: Path) -> None:
        ObjectRoot.open(f"{tmp_path}/{name}").put("key", b"1")
        assert (tmp_path / name / "key").read_bytes() == b"1"

    def test_in_a_bucket(self, name: str) -> None:
        for scheme in ("s3", "gs", "az"):
            address = Address.parse(f"{scheme}://bucket/runs/{name}")
            assert (address.bucket, address.path) == ("bucket", f"runs/{name}")
            assert address.url == f"{scheme}://bucket/runs/{name}"

    def test_on_s3(self, name: str, s3_url: str) -> None:
        root = ObjectRoot.open(f"{s3_url}/{name}")
        root.put("key", name.encode())
        assert set(ObjectRoot.open(s3_url).list("")) == {f"{name}/key"}
        assert pickle.loads(pickle.dumps(root)).get("key") == name.encode()
        assert list(root.list("")) == ["key"]

    def test_back_from_text_and_from_a_pickle(self, name: str) -> None:
        for text in (f"/runs/{name}", f"s3://bucket/{name}", f"az://con/{name}"):
            address = Address.parse(text)
            assert Address.parse(str(address)) == address == pickle.loads(pickle.dumps(address))
            child = address.child("stage-0")
            assert str(child) == f"{text}/stage-0"
            assert Address.parse(str(child)) == child


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/x/", "s3://bucket/x"),
        ("S3://bucket/X//", "s3://bucket/X"),
        ("s3a://my.bucket-1/x", "s3://my.bucket-1/x"),
        ("azure://con/x", "az://con/x"),
        ("abfs://con/x", "az://con/x"),
        ("abfss://con@account.dfs.core.windows.net/x/", "abfss://con@account.dfs.core.windows.net/x"),
        ("/a//b/./c/", "/a/b/c"),
        ("file:///a/b", "/a/b"),
        ("file://localhost/a/b/", "/a/b"),
        ("FILE:///a%20b/c%23%25d/%C3%A9", "/a b/c#%d/é"),
        ("file:///a/scene#1?x", "/a/scene#1?x"),
    ],
)
def test_one_address_has_one_text(text: str, url: str) -> None:
    address = Address.parse(text)
    assert str(address) == url
    assert Address.parse(url) == address
    assert (address.folder is None) == ("://" in url)


def test_a_relative_path_is_below_the_folder_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Address.parse("run").folder == tmp_path / "run"
    assert Address.parse("sub/../run").folder == tmp_path / "run"
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    assert Address.parse("link/../run").folder == tmp_path / "far" / "run"


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Address.parse("~/runs/x").folder == tmp_path / "runs" / "x"
    assert Address.parse("~nobody-of-that-name/x").folder == Path.cwd() / "~nobody-of-that-name" / "x"
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(FileNotFoundError, match="HOME"):
        Address.parse("~/x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("ftp://host/run", "expected a path or s3://.*begins with ftp://"),
        ("s3:/bucket/run", "expected s3://bucket/folder"),
        ("S3:bucket", "expected s3://bucket/folder"),
        ("file:/a", "expected file:///folder"),
        ("file://host/a", "another host"),
        ("file://~/a", "another host"),
        ("file://a", "another host"),
        ("file:///a/50%", "place 13 is written %25"),
        ("file:///a%2Fb", "a slash within a name"),
        ("file:///a/%2e%2e/b", "no . or .."),
        ("file:///a/../b", "no . or .."),
        ("file:///a%00b", r"U\+0000"),
        ("file:///a%0Ab", r"U\+000A"),
        ("file:///a%FFb", "not UTF-8"),
        ("s3://", "no bucket's name"),
        ("s3:///x", "no bucket's name"),
        ("s3://ab/", "no bucket's name"),
        ("s3://a..b/x", "no bucket's name"),
        ("s3://../x", "no bucket's name"),
        ("s3://-bkt/x", "no bucket's name"),
        ("s3://bkt#1/x", "no bucket's name"),
        ("s3://bkt?x", "no bucket's name"),
        ("s3://b%20t/x", "no bucket's name"),
        ("az://Upper/x", "no bucket's name"),
        ("az://a--b/x", "no bucket's name"),
        ("s3://bkt/../other/x", "no . or .."),
        ("s3://bkt/x/..", "no . or .."),
        ("s3://bkt/./x", "no . or .."),
        ("s3://bkt//x", "no empty part"),
        ("s3://bkt/x//y", "no empty part"),
        ("s3://bkt/" + "é" * 401, "802 bytes"),
        ("C:\\runs\\x", "Windows"),
        ("C:/runs", "Windows"),
        ("\\\\server\\share", "Windows"),
        ("a\0b", r"U\+0000 at place 2"),
        ("s3://bkt/a\nb", r"U\+000A"),
        ("s3://bkt/a\x1b[1m", r"U\+001B"),
        ("s3://bkt/a\x85", r"U\+0085"),
        ("run\udcff", r"U\+DCFF"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Address.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "s3://user:secretpw@bkt/x",
        "s3://secretpw@bkt/x",
        "s3://user:secretpw/x@bkt/x",
        "S3A://user:secretpw@bkt",
        "gs://secretpw@bkt/x",
        "az://user:secretpw@con/x",
        "abfss://user:secretpw@account.dfs.core.windows.net/x",
        "abfs://con@secretpw.example.com/x",
        "https://user:secretpw@host/x",
        "https://host/x?sig=secretpw",
        "file://user:secretpw@host/x",
        "s3:/user:secretpw@bkt/x",
    ],
)
def test_passwords_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        Address.parse(text)
    assert "secretpw" not in str(caught.value)
    assert "user" not in str(caught.value)


def test_a_path_that_is_made_here_is_not_read_as_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("s3:x.run", "file:x", "C:/x", "a\nb.run"):
        assert Address.local(name).folder == tmp_path / name


def test_a_name_beside_a_file_whose_name_is_no_utf8() -> None:
    """Such a key makes the store's library panic."""
    with pytest.raises(ValueError, match="not UTF-8"):
        Address.local("caf\udce9.png.run")
