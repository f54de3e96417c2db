"""AWS KMS wraps the keys. Edge; blocking; needs the extra ``aws``.

The encryption context binds a wrapped key to log and segment, and shows in CloudTrail. The role needs ``kms:Encrypt``
and ``kms:Decrypt`` on the key, and nothing else. KMS rotates the key's material by itself, under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.audit.keyring import KeyProviderUnavailable, WrapContext, Wrapped
from sidecar.errors import ConfigError, KeyMaterialError, Problem

# What will not pass by trying again.
_FINAL = frozenset({
    "DisabledException", "IncorrectKeyException", "InvalidCiphertextException", "InvalidKeyUsageException",
    "KMSInvalidStateException", "NotFoundException",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class KmsSettings:
    """Which key: its ARN. Credentials are those of the pod, found in the usual ways of AWS."""

    key_arn: str
    region: str | None = None
    endpoint: str | None = None
    timeout_seconds: float = 3.0


class KmsKeys:
    """Implements ``KeyProvider``. A key is called ``aws:<ARN>``."""

    def __init__(self, settings: KmsSettings) -> None:
        self._arn = settings.key_arn
        self._client = _client(settings)

    @property
    def key_id(self) -> str:
        return f"aws:{self._arn}"

    def wrap(self, key: bytes, context: WrapContext) -> Wrapped:
        answer = _called(self._client.encrypt, KeyId=self._arn, Plaintext=key, EncryptionContext=_context(context))
        return Wrapped(self.key_id, answer["CiphertextBlob"])

    def unwrap(self, wrapped: Wrapped, context: WrapContext) -> bytes:
        kind, _, arn = wrapped.key_id.partition(":")
        if kind != "aws":
            raise KeyMaterialError(f"segment {context.segment} needs the key {wrapped.key_id}, which was not given")
        answer = _called(
            self._client.decrypt, KeyId=arn, CiphertextBlob=wrapped.data, EncryptionContext=_context(context)
        )
        return bytes(answer["Plaintext"])


def _context(context: WrapContext) -> Mapping[str, str]:
    return {"sidecar-audit-log": context.log, "sidecar-audit-segment": str(context.segment)}


def _client(settings: KmsSettings) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise ConfigError(
            (Problem("audit.key_provider", "AWS KMS needs boto3", "Install privacy-sidecar[aws]"),)
        ) from None
    seconds = settings.timeout_seconds
    config = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1})
    return boto3.client("kms", region_name=settings.region, endpoint_url=settings.endpoint, config=config)


def _called(act: Callable[..., Any], **asked: object) -> Any:
    """Call KMS. Nothing of the text of its error is repeated: it names the caller."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return act(**asked)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _FINAL:
            raise KeyMaterialError(f"AWS KMS refused for good: {code}") from None
        raise KeyProviderUnavailable("AWS KMS refused") from None
    except BotoCoreError:
        raise KeyProviderUnavailable("AWS KMS can't be reached") from None
