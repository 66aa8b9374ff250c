"""What an object store's refusal means: does it pass, is it about who asks, what mends it."""

from __future__ import annotations

import pytest
from obstore.exceptions import GenericError, NotSupportedError, PermissionDeniedError

from storage.objects.refusals import Refusal, without_secrets


def of(text: str, kind: type[Exception] = GenericError) -> Refusal:
    return Refusal.of(kind(text))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 404, 408, 409, 412, 425, 429])
def test_statuses_that_pass(status: int) -> None:
    refusal = of(f"status code: {status}")
    assert (refusal.status, refusal.code) == (status, "")
    assert refusal.passes
    assert not refusal.forbids


@pytest.mark.parametrize("status", [400, 401, 403, 405, 411, 501])
def test_statuses_that_do_not(status: int) -> None:
    assert not of(f"status code: {status}").passes
    assert of(f"status code: {status}").forbids == (status in (401, 403))


@pytest.mark.parametrize("code", ["SlowDown", "RequestTimeout", "BadDigest", "IncompleteBody", "InternalError"])
def test_words_that_pass_whatever_the_status(code: str) -> None:
    assert of(f"status code: 400 <Code>{code}</Code>").passes


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("status code: 404 <Code>NoSuchBucket</Code>", "make the bucket first"),
        ("status code: 403 <Code>InvalidAccessKeyId</Code>", "does not know this access key"),
        ("status code: 403 <Code>SignatureDoesNotMatch</Code>", "the secret key is not this access key's"),
        ("status code: 400 <Code>ExpiredToken</Code>", "the credentials have expired"),
        ("status code: 301 <Code>PermanentRedirect</Code><Region>eu-x-1</Region>", "set AWS_REGION=eu-x-1"),
        ("redirect without LOCATION", "the bucket is in another region: set AWS_REGION"),
        ("asked 169.254.169.254 for it", "no credentials are set"),
        ("status code: 403 nothing more", "check the credentials and the bucket's policy"),
        ("status code: 400 nothing more", "check the credentials, whether they have expired, and the region"),
    ],
)
def test_what_does_not_pass_has_a_mend(text: str, mend: str) -> None:
    assert not of(text).passes
    assert mend in of(text).mend()


def test_networks_pass_and_are_named() -> None:
    lost = of("Error performing GET http://store:9000/b/k in 3s - error sending request: dns error")
    assert lost.passes
    assert lost.reason() == "no answer from http://store:9000"
    assert "its host is not known here" in lost.mend()
    assert "nobody answers there" in of("error sending request").mend()
    assert of("response body error").reason() == "the answer broke off"
    assert of("first line\nsecond").reason() == "first line"


def test_reasons_are_a_few_words() -> None:
    slow = of("status code: 503 <Code>SlowDown</Code> <Message>...</Message>")
    assert slow.reason() == "the store answered 503 SlowDown"
    assert of("<Code>NoSuchBucket</Code>").reason() == "there is no such bucket"


def test_a_wrong_clock_is_not_about_who_asks() -> None:
    skewed = of("status code: 403 <Code>RequestTimeTooSkewed</Code>", PermissionDeniedError)
    assert not skewed.forbids
    assert "clock of this machine" in skewed.mend()


def test_what_is_never_supported_does_not_pass() -> None:
    assert not of("whatever", NotSupportedError).passes
    assert not of("Generic Config error").passes


def test_no_secret_is_said() -> None:
    options = {"aws_secret_access_key": "geheim", "aws_session_token": "marke", "aws_region": "eu"}
    text = "http://me:pass@store/k?X-Sig=1 geheim marke eu"
    assert without_secrets(text, options) == "http://***@store/k?*** *** *** eu"


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        ("s3", "error sending request http://169.254.169.254/latest", "AWS_ACCESS_KEY_ID"),
        ("gs", "status code: 403 http://metadata.google.internal/computeMetadata", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az", "error sending request http://169.254.169.254/metadata", "AZURE_STORAGE_ACCOUNT_NAME"),
        ("az", "Generic MicrosoftAzure error: Account must be specified", "AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_credentials_are_named_as_the_store_has_them(kind: str, text: str, name: str) -> None:
    refusal = of(text)
    assert f"no credentials are set: set {name}" in refusal.mend(kind)
    assert refusal.forbids
    assert not refusal.passes
