"""What is configured of a message broker through which systems are told to erase. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import SecretSource, TargetForm, TlsFiles

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200)]


class BrokerSettings(TargetForm):
    """A message for each task: to a NATS subject that a JetStream stream keeps, or to a RabbitMQ queue.

    ``identities``: which types go into a message (a message for each combination). ``acknowledgements``: a subject or
    the beginning of queues' names where the system answers, as ``<acknowledgements>.<id of the message>``.
    """

    type: Literal["broker"]
    protocol: Literal["nats", "rabbitmq"]
    url: SecretSource
    destination: _Name
    acknowledgements: _Name | None = None
    identities: Annotated[frozenset[IdentityType], Field(min_length=1)]
    tls: TlsFiles = TlsFiles()
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

    @property
    def required(self) -> frozenset[IdentityType]:
        return self.identities
