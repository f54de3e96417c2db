"""Kinds of targets that other packages bring, found by the entry-point group ``privacy_sidecar.targets``.

Only those that the configuration names are imported. An entry point is a callable that takes the target's name and its
settings (plain JSON data), and returns a ``Target``; wrong settings are a ``ConfigError``. It runs in the sidecar and
is given identifiers: installing and naming one is trusting it. What it answers is not trusted: an impossible result, or
an exception, is a failure, and tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Literal, cast

from pydantic import Field

from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.form import TargetForm
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    Target,
    TargetFault,
    TargetLimits,
    VerifyResult,
    VerifyStatus,
)

GROUP: Final = "privacy_sidecar.targets"
MakeTarget = Callable[[str, Mapping[str, Any]], Target]
_MOST: Final = 2**31

_log = logging.getLogger("sidecar.targets")


class PluginTargetSettings(TargetForm):
    """A target of another package: its entry point's name, and what its package is told."""

    type: Literal["plugin"]
    plugin: str
    settings: dict[str, Any] = Field(default_factory=dict, repr=False)


class PluginTarget:
    """A foreign target behind a border. Limits are the operator's; it serves upstream systems, never our own state."""

    def __init__(self, settings: PluginTargetSettings, where: str) -> None:
        self._settings = settings
        self._where = where
        self._target = _make(settings, where)
        self._required = _identity_types(self._target, where)

    def __repr__(self) -> str:
        return f"PluginTarget({self.name!r})"  # what is behind it may show anything

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def side(self) -> Side:
        return Side.UPSTREAM

    @property
    def required(self) -> frozenset[IdentityType]:
        return self._required

    @property
    def limits(self) -> TargetLimits:
        return self._settings.limits

    @property
    def max_completion(self) -> timedelta:
        return self._settings.max_completion

    async def start(self) -> None:
        try:
            await _translated(self._target.start)
        except ConfigError as error:
            raise _placed(error, self._where) from None
        except _Raised as raised:
            remedy = "See its documentation; a system that can't be reached should be no error of its start."
            raise _refused(self._where, f"can't be started ({raised.kind})", remedy) from None

    async def stop(self) -> None:
        try:
            await _translated(self._target.stop)
        except _Raised as raised:
            _log.warning("target %s raised %s while it was stopped", self.name, raised.kind)

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        result = await self._ask(self._target.delete, identities)
        if not isinstance(result, DeleteResult) or not _possible(result, DeleteStatus):
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.TARGET_ERROR)
        # A name of a job would be for nobody to ask for; a detail is for words of a schema that we know.
        return DeleteResult(result.status, result.count, result.http_status, result.fault, result.retry_after)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        result = await self._ask(self._target.verify, identities)
        gone = isinstance(result, VerifyResult) and result.status is VerifyStatus.GONE
        if not isinstance(result, VerifyResult) or not _possible(result, VerifyStatus) or (gone and result.count):
            return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.TARGET_ERROR)
        return replace(result, by=None)  # it speaks of no backup set

    async def _ask(
        self, call: Callable[[Sequence[SubjectIdentity]], Awaitable[object]], identities: Sequence[SubjectIdentity]
    ) -> object:
        try:
            return await _translated(lambda: call(identities))
        except (_Raised, ConfigError) as raised:
            _log.warning("target %s raised %s", self.name, getattr(raised, "kind", "ConfigError"))
            return None


class _Raised(Exception):
    """Foreign code raised; its text may hold anything."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


async def _translated(call: Callable[[], Awaitable[object]]) -> object:
    """Call and await. A ``ConfigError`` is for the operator, and ours; whatever else is raised goes no further."""
    try:
        return await call()
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - the border of foreign code, re-raised as ours
        raise _Raised(type(error).__name__) from None


def _possible(result: DeleteResult | VerifyResult, statuses: type[DeleteStatus] | type[VerifyStatus]) -> bool:
    count, code = result.count, result.http_status
    return (
        isinstance(result.status, statuses)
        and (count is None or (type(count) is int and 0 <= count < _MOST))
        and (code is None or (type(code) is int and 100 <= code < 600))
        and (result.fault is None or isinstance(result.fault, TargetFault))
        and (result.retry_after is None or isinstance(result.retry_after, timedelta))
        and result.status is not DeleteStatus.MANUAL  # there is nowhere for a person to say that it is done
        and _is_moment(result.until if isinstance(result, VerifyResult) else None)
    )


def _is_moment(value: object) -> bool:
    return value is None or (isinstance(value, datetime) and value.tzinfo is not None)


def _entry_point(name: str, where: str) -> EntryPoint:
    found = entry_points(group=GROUP)
    matching = sorted({one for one in found if one.name == name}, key=lambda one: one.value)
    if len(matching) == 1:
        return matching[0]
    if matching:
        packages = ", ".join(one.value for one in matching)
        raise _refused(f"{where}.plugin", f"is offered more than once ({packages})", "Uninstall all but one.")
    known = ", ".join(sorted({one.name for one in found}))
    remedy = f"Installed are: {known}." if known else f"Install the package; none offers an entry point of {GROUP!r}."
    raise _refused(f"{where}.plugin", f"{name} is not installed", remedy)


def _make(settings: PluginTargetSettings, where: str) -> Target:
    found = _entry_point(settings.plugin, where)
    try:
        make = cast("MakeTarget", found.load())
    except Exception as error:  # noqa: BLE001 - the border of foreign code, re-raised as ours
        raise _refused(f"{where}.plugin", f"can't be imported ({type(error).__name__})", "Install it anew.") from None
    try:
        target = make(settings.name, dict(settings.settings))
    except ConfigError as error:
        raise _placed(error, where) from None
    except Exception as error:  # noqa: BLE001 - the border of foreign code, re-raised as ours
        message = f"can't be made of these settings ({type(error).__name__})"
        raise _refused(f"{where}.settings", message, "See its documentation.") from None
    if not all(callable(getattr(target, one, None)) for one in ("start", "stop", "delete", "verify")):
        remedy = "Its entry point must return an object with start, stop, delete and verify."
        raise _refused(f"{where}.plugin", "makes no target", remedy)
    return target


def _placed(error: ConfigError, where: str) -> ConfigError:
    return ConfigError(
        tuple(Problem(f"{where}.settings.{one.path}", one.message, one.remedy) for one in error.problems)
    )


def _identity_types(target: Target, where: str) -> frozenset[IdentityType]:
    try:
        return frozenset(IdentityType(one) for one in target.required)
    except Exception:  # noqa: BLE001 - the border of foreign code, re-raised as ours
        remedy = f"Its 'required' must hold some of {', '.join(IdentityType)}, or nothing."
        raise _refused(f"{where}.plugin", "needs identities that are not known", remedy) from None


def _refused(where: str, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(where, message, remedy),))
