"""What an object store's refusal means, whether it passes, and what mends it. No secret is in what is said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from obstore.exceptions import (
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_ASKED = re.compile(r"Error performing \w+ (https?://[^/\s]+)")
_REGION = re.compile(r"<Region>([\w-]+)</Region>|expecting '([\w-]+)'")
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")
_QUERY = re.compile(r"(\bhttps?://[^\s?]+)\?\S+")
_PASSING_STATUS = (404, 408, 409, 412, 425, 429)
"""of those below 500; 404 to a put or a list of a bucket that is there, 409 and 412 where no key is in the way"""
_PASSING_CODES = (
    "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "OperationAborted",
    "ConditionalRequestConflict", "SlowDown", "InternalError", "ServiceUnavailable",
)  # fmt: skip
_CLOCK = "RequestTimeTooSkewed"
_FOR_GOOD = (
    InvalidPathError,
    NotSupportedError,
    UnknownConfigurationKeyError,
    PermissionDeniedError,
    UnauthenticatedError,
)
_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_MENDS = {
    "NoSuchBucket": "make the bucket first, or correct its name or AWS_ENDPOINT_URL",
    "ContainerNotFound": "make the container first, or correct its name",
    "NotImplemented": "a run needs a store that creates a key once (If-None-Match): use another",
    "ExpiredToken": "the credentials have expired: set new ones, AWS_SESSION_TOKEN among them, and start again",
    "TokenRefreshRequired": "the credentials have expired: set new ones and start again",
    "InvalidToken": "AWS_SESSION_TOKEN is not one of these credentials': set all three anew",
    "InvalidAccessKeyId": f"the store does not know this access key: {_KEYS}",
    "SignatureDoesNotMatch": f"the secret key is not this access key's: {_KEYS}",
    "AuthenticationFailed": "check AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY",
    _CLOCK: "the clock of this machine is wrong: set it (NTP), then start again",
    "AccessDenied": "check the credentials and the bucket's policy",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "IllegalLocationConstraintException": "the bucket is in another region: set AWS_REGION",
}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS to a key's file, or GOOGLE_SKIP_SIGNATURE=true",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_SKIP_SIGNATURE=true",
}
"""by kind of address"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One failed request, as far as its error tells."""

    status: int | None
    """of HTTP; None where there was no answer"""
    code: str
    """the store's own word, such as NoSuchBucket; "" where it gave none"""
    text: str
    """all of the error's text"""
    kind: type[Exception]

    @classmethod
    def of(cls, error: Exception) -> Refusal:
        text = str(error)
        status, code = _STATUS.search(text), _CODE.search(text)
        reason = code[1] if code else next((word for word in _MENDS if f'"{word}"' in text), "")
        return cls(status=int(status[1]) if status else None, code=reason, text=text, kind=type(error))

    @property
    def lacks_bucket(self) -> bool:
        return self.code in ("NoSuchBucket", "ContainerNotFound")

    @property
    def passes(self) -> bool:
        """Whether the same request may be answered otherwise in a moment."""
        if self.code in _PASSING_CODES:
            return True
        if self.lacks_bucket or self._other_region or self._no_credentials or self._misconfigured:
            return False
        if issubclass(self.kind, _FOR_GOOD):
            return False
        return self.status is None or (self.status >= 500 and self.status != 501) or self.status in _PASSING_STATUS

    @property
    def forbids(self) -> bool:
        """Whether it is about who asks."""
        denied = issubclass(self.kind, (PermissionDeniedError, UnauthenticatedError)) or self.status in (401, 403)
        return (denied and self.code != _CLOCK) or self._no_credentials

    def mend(self, kind: str = "s3") -> str:
        """What the user can do at a store of a ``kind`` of address, "" where nothing is known."""
        if self.code in _MENDS or self._other_region:
            region = _REGION.search(self.text)
            told = f"={region[1] or region[2]}" if region else ""
            line = _MENDS.get(self.code, _MENDS["PermanentRedirect"])
            return line + told if line.endswith("AWS_REGION") else line
        if self._no_credentials:
            return f"no credentials are set: set {_CREDENTIALS[kind]}"
        if self.forbids:
            return _MENDS["AccessDenied"]
        if self.status == 400:
            return "check the credentials, whether they have expired, and the region"
        if "dns error" in self.text or "failed to lookup address" in self.text:
            return "its host is not known here: check AWS_ENDPOINT_URL and the network"
        if self.status is None and "error sending request" in self.text:
            return "nobody answers there: check AWS_ENDPOINT_URL, the network, and whether the server runs"
        return ""

    def reason(self) -> str:
        """The cause in a few words, without a page of XML."""
        if self.lacks_bucket:
            return "there is no such bucket"
        if self.status is not None:
            return f"the store answered {self.status}{f' {self.code}' if self.code else ''}"
        if "error sending request" in self.text:
            asked = _ASKED.search(self.text)
            return f"no answer from {asked[1]}" if asked else "no answer"
        if "response body error" in self.text:
            return "the answer broke off"
        return self.text.strip().split("\n", 1)[0]

    @property
    def _other_region(self) -> bool:
        return "redirect without LOCATION" in self.text

    @property
    def _no_credentials(self) -> bool:
        """Nobody gave any, so the machine's own were asked for, at an address that only clouds have."""
        asked = ("169.254.169.254", "metadata.google.internal", "Account must be specified")
        return any(word in self.text for word in asked)

    @property
    def _misconfigured(self) -> bool:
        return "Generic Config error" in self.text or "builder error" in self.text


def without_secrets(text: str, options: Mapping[str, str]) -> str:
    """``text`` without the values of secret options, names and passwords in URLs, and URLs' queries (signatures)."""
    for name, value in options.items():
        if any(word in name for word in ("secret", "token", "key", "service_account", "application_credentials")):
            text = text.replace(value, "***")
    return _QUERY.sub(r"\1?***", _USERINFO.sub("***@", text))
