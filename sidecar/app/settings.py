"""From configuration to what each part is made of. Everything that can be wrong is found here, and all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from sidecar.access import Identity, KnownCaller
from sidecar.app.detecting import check_detection
from sidecar.app.overhearing import trigger_of
from sidecar.app.restoring import Restorable, restorable_of
from sidecar.app.secrets import read_master_key
from sidecar.app.targets import target_of
from sidecar.app.telling import hold_source_of, sender_of, trigger_senders_of
from sidecar.app.tls import client_tls_of
from sidecar.audit.denials import DenialLimits
from sidecar.config.detection import PolicyConfig
from sidecar.config.erasure_life import OpenDsrConfig
from sidecar.config.listeners import ServerTlsConfig
from sidecar.config.model import Config
from sidecar.config.traffic import IdentityConfig, RouteConfig, UpstreamConfig, WebsocketConfig
from sidecar.erasure.hold_sources import HoldSource
from sidecar.erasure.notices import SenderSettings
from sidecar.erasure.processor import Processor, parse_processor
from sidecar.erasure.webhook import WebhookKey
from sidecar.errors import ConfigError, Problem
from sidecar.keys import MasterKey, Pseudonymizer, Purpose
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.presets import load_preset
from sidecar.payloads.socketio import Binary
from sidecar.proxy.routes import (
    AuthorizationPolicy,
    HostPolicy,
    Limits,
    Route,
    RouteTable,
    WebsocketRules,
)
from sidecar.proxy.upstream import Plaintext, UpstreamSettings
from sidecar.redaction.policy import Policy, TypePolicy
from sidecar.stores.database import DatabaseSettings, check_database
from sidecar.targets.target import Target
from sidecar.tls.contexts import ServerTls, client_context, server_context

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration that has been found sound, in the terms of the parts."""

    config: Config
    master: MasterKey = field(repr=False)
    earlier_masters: tuple[MasterKey, ...] = field(repr=False)
    callers: tuple[KnownCaller, ...]
    routes: RouteTable
    upstreams: tuple[UpstreamSettings, ...]
    targets: tuple[Target, ...] = field(repr=False)
    restorables: tuple[Restorable, ...] = field(repr=False)
    data_tls: ServerTls
    admin_tls: ServerTls | None
    horizon: timedelta
    sender: SenderSettings = field(repr=False)
    hold_source: HoldSource = field(repr=False)
    trigger_senders: Mapping[str, WebhookKey] = field(repr=False)
    processor: Processor | None = field(default=None, repr=False)

    def pseudonymizers(self, purpose: Purpose) -> tuple[Pseudonymizer, ...]:
        """Return those of every master key, the current one first and then the newest of those before it."""
        earlier = sorted(self.earlier_masters, key=lambda one: one.version, reverse=True)
        return tuple(one.pseudonymizer(purpose) for one in (self.master, *earlier))

    @property
    def denial_limits(self) -> DenialLimits:
        """For each of the two listeners by itself."""
        of_one_peer = self.config.listeners.data.recorded_denials_per_minute
        return DenialLimits(of_one_peer, 10 * of_one_peer)


class _Problems:
    """Collects the problems of parts that are each built on their own."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def of(self, build: Callable[[], T]) -> T | None:
        try:
            return build()
        except ConfigError as error:
            self.found.extend(error.problems)
            return None


def settings_of(config: Config) -> Settings:
    """Return the parts' settings, or raise ``ConfigError`` with the problems of all of them."""
    problems = _Problems()
    policies = policies_of(config)
    master = problems.of(lambda: read_master_key(config.keys))
    earlier = [
        problems.of(partial(read_master_key, one, f"keys.previous[{index}]"))
        for index, one in enumerate(config.keys.previous)
    ]
    routes = [problems.of(partial(route_of, one, policies, index)) for index, one in enumerate(config.routes)]
    table = problems.of(lambda: RouteTable([route for route in routes if route is not None]))
    upstreams = [problems.of(partial(upstream_of, name, one)) for name, one in config.upstreams.items()]
    targets = [problems.of(partial(target_of, one, index)) for index, one in enumerate(config.erasure.targets)]
    restorables = [problems.of(partial(restorable_of, one, i)) for i, one in enumerate(config.erasure.targets)]
    problems.of(lambda: check_database(DatabaseSettings(config.state.url.get_secret_value())))
    problems.of(lambda: check_detection(config.detection))
    processor = problems.of(lambda: processor_of(config.erasure.opendsr))
    sender = problems.of(lambda: sender_of(config.erasure, processor))
    hold_source = problems.of(lambda: hold_source_of(config.erasure.holds))
    senders = problems.of(lambda: trigger_senders_of(config.erasure.trigger_webhooks))
    listeners = config.listeners
    data_tls = problems.of(lambda: _checked(server_tls_of(listeners.data.tls)))
    shown = listeners.admin.tls
    admin_tls = problems.of(lambda: _checked(server_tls_of(shown))) if shown else None
    if problems.found or master is None or table is None or data_tls is None or sender is None or hold_source is None:
        raise ConfigError(tuple(problems.found))
    return Settings(
        config=config,
        master=master,
        earlier_masters=tuple(one for one in earlier if one is not None),
        callers=tuple(caller_of(one) for one in config.identities),
        routes=table,
        upstreams=tuple(one for one in upstreams if one is not None),
        targets=tuple(one for one in targets if one is not None),
        restorables=tuple(one for one in restorables if one is not None),
        data_tls=data_tls,
        admin_tls=admin_tls,
        horizon=timedelta(days=config.erasure.horizon_days),
        sender=sender,
        hold_source=hold_source,
        trigger_senders=senders or {},
        processor=processor,
    )


def processor_of(config: OpenDsrConfig | None) -> Processor | None:
    """Return who we are to controllers that speak OpenDSR."""
    if config is None or not (config.certificate.is_file() and config.private_key.is_file()):
        return None  # a missing file is a problem that is reported with all the others
    certificate, key = config.certificate.read_bytes(), config.private_key.read_bytes()
    where = "erasure.opendsr"
    return parse_processor(config.processor_domain, config.certificate_url, certificate, key, datetime.now(UTC), where)


def caller_of(config: IdentityConfig) -> KnownCaller:
    """Return a known caller."""
    return KnownCaller(
        Identity(config.name, config.roles),
        certificate_name=config.certificate.san if config.certificate else None,
        token_sha256=bytes.fromhex(config.token_sha256) if config.token_sha256 else None,
    )


def policies_of(config: Config) -> dict[str, Policy]:
    """Return every policy by name; ``default`` is there whether it was changed or not."""
    return {"default": Policy(), **{name: policy_of(name, one) for name, one in config.policies.items()}}


def policy_of(name: str, config: PolicyConfig) -> Policy:
    """Return the default policy with what the configuration changes in it."""
    types = dict(Policy().types)
    for label, one in config.items():
        threshold = TypePolicy().threshold if one.threshold is None else one.threshold
        types[label] = TypePolicy(one.operator, threshold, one.mask_keep_last)
    return Policy(name, MappingProxyType(types))


def route_of(config: RouteConfig, policies: Mapping[str, Policy], index: int) -> Route:
    """Return one route, its field map included."""
    fixed = config.host not in ("keep", "rewrite")
    return Route(
        name=config.name,
        path_prefix=config.path_prefix,
        methods=frozenset(config.methods),
        upstream=config.upstream,
        roles=config.roles,
        fields=_fields_of(config, f"routes[{index}]"),
        policy=policies.get(config.policy, Policy()),
        body=config.body,
        request_policy=config.request,
        host=HostPolicy.FIXED if fixed else HostPolicy(config.host),
        fixed_host=config.host if fixed else "",
        authorization=AuthorizationPolicy.FORWARD if config.forward_authorization else AuthorizationPolicy.STRIP,
        absolute_urls=config.absolute_urls,
        target_policy=config.target,
        suppression=config.suppression,
        unscanned_headers=frozenset(name.lower() for name in config.unscanned_headers),
        erasure_trigger=trigger_of(config.erasure_trigger, f"routes[{index}].erasure_trigger")
        if config.erasure_trigger is not None
        else None,
        websocket=_websocket_of(config.websocket) if config.websocket is not None else None,
        limits=Limits(
            request_body_bytes=config.max_request_bytes,
            response_body_bytes=config.max_response_bytes,
            hold_back_characters=config.hold_back_characters,
        ),
    )


def _websocket_of(config: WebsocketConfig) -> WebsocketRules:
    return WebsocketRules(config.messages, Binary(config.binary), config.max_message_bytes, config.origins)


def _fields_of(config: RouteConfig, where: str) -> FieldMap:
    if config.preset is not None and config.fields is not None:
        remedy = "Keep one; a preset can be copied to a file of your own and changed there."
        raise ConfigError((Problem(where, "gives both preset and fields", remedy),))
    if config.preset is not None:
        return load_preset(config.preset, f"{where}.preset")
    return parse_field_map(config.fields or {}, f"{where}.fields")


def upstream_of(name: str, config: UpstreamConfig) -> UpstreamSettings:
    """Return one upstream; an https one is verified by a context of its own."""
    https = config.url.startswith("https:")
    return UpstreamSettings(
        name=name,
        url=config.url,
        tls=client_context(client_tls_of(config.tls)) if https else None,
        connect_seconds=config.connect_timeout_seconds,
        read_seconds=config.read_timeout_seconds,
        max_connections=config.max_connections,
        plaintext=Plaintext.UNSAFE_ANYWHERE if config.unsafe_allow_plaintext else Plaintext.LOOPBACK_ONLY,
    )


def server_tls_of(config: ServerTlsConfig) -> ServerTls:
    """Return what a listener shows and trusts."""
    return ServerTls(config.certificate, config.private_key, config.client_auth, config.client_ca, config.client_crl)


def _checked(tls: ServerTls) -> ServerTls:
    server_context(tls)  # raises for files that can't serve; the listener builds its own later
    return tls
