"""What is configured of an HTTP target, parsed and checked once. Pure. Raises ``ConfigError`` with every problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sidecar.erasure.request import IdentityType
from sidecar.errors import ConfigError, Problem
from sidecar.targets.criteria import Criterion, CriterionInvalid, parse_condition
from sidecar.targets.form import is_loopback
from sidecar.targets.http_jobs import FIELD, JobCall
from sidecar.targets.target import TargetLimits
from sidecar.targets.template import JsonTemplate, TemplateInvalid, UrlTemplate, parse_json, parse_url

T = TypeVar("T")

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type", "te", "upgrade"})
_DOCS: Final = "See docs/erasure.md, 'An HTTP target'"


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One templated call. ``count`` points at the number (or list) of things in the answer."""

    method: str
    url: UrlTemplate
    body: JsonTemplate | None
    timeout_s: float
    count: str | None

    @property
    def fields(self) -> frozenset[IdentityType]:
        return self.url.fields | (self.body.fields if self.body else frozenset())


@dataclass(frozen=True, slots=True)
class DeleteCall:
    """``done``, ``no_data``, ``accepted`` (works on it) are looked at in this order; any other answer is a failure."""

    call: HttpCall
    done: Criterion
    no_data: Criterion | None
    accepted: Criterion | None
    job: JobCall | None = None


@dataclass(frozen=True, slots=True)
class VerifyCall:
    """Any answer that meets neither is a failure to look, and says nothing about the data."""

    call: HttpCall
    gone: Criterion
    present: Criterion | None


@dataclass(frozen=True, slots=True)
class HttpTargetSettings:
    """One HTTP target. ``headers`` hold secrets."""

    name: str
    delete: DeleteCall
    verify: VerifyCall | None
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS, repr=False)
    limits: TargetLimits = field(default_factory=TargetLimits)
    max_completion: timedelta = timedelta(days=1)

    @property
    def required(self) -> frozenset[IdentityType]:
        return self.delete.call.fields | (self.verify.call.fields if self.verify else frozenset())


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


_Status = Annotated[int, Field(ge=200, le=599)]


class _CriterionForm(_Form):
    status: Annotated[list[_Status], Field(min_length=1)]
    where: list[str] = []


class _CallForm(_Form):
    url: str
    body: Any = None
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    count: Annotated[str, Field(pattern="^/")] | None = None


class _PollForm(_Form):
    method: Literal["GET", "HEAD"] = "GET"
    url: str
    done: _CriterionForm
    running: _CriterionForm | None = None
    failed: _CriterionForm | None = None
    vanished: _CriterionForm | None = None
    count: Annotated[str, Field(pattern="^/")] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0


class _JobForm(_Form):
    reference: Annotated[str, Field(pattern="^/")]
    poll: _PollForm


class _DeleteForm(_CallForm):
    method: Literal["DELETE", "POST", "PUT", "PATCH"] = "DELETE"
    done: _CriterionForm
    no_data: _CriterionForm | None = None
    accepted: _CriterionForm | None = None
    job: _JobForm | None = None


class _VerifyForm(_CallForm):
    method: Literal["GET", "HEAD", "POST"] = "GET"
    gone: _CriterionForm
    present: _CriterionForm | None = None


class _TargetForm(_Form):
    delete: _DeleteForm
    verify: _VerifyForm | None = None
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    per_second: Annotated[float, Field(gt=0)] | None = None
    max_completion_days: Annotated[float, Field(gt=0, le=3650)] = 1.0


def parse_http_target(
    name: str, mapping: Mapping[str, Any], headers: Mapping[str, str], where: str
) -> HttpTargetSettings:
    """Return the settings of one target from its configuration, or raise ``ConfigError`` with every problem.

    ``mapping`` holds delete, verify, concurrency, per_second and max_completion_days; ``headers`` go with both calls,
    their secrets filled in already; ``where`` is the place in the operator's file, for messages.
    """
    try:
        form = _TargetForm.model_validate(dict(mapping))
    except ValidationError as error:
        raise ConfigError(_translated(error, where)) from None
    reader = _Reader(where)
    settings = reader.target(name, form, headers)
    if settings is None or reader.problems:
        raise ConfigError(tuple(reader.problems))
    return settings


def parse_verify(mapping: Mapping[str, Any], where: str) -> VerifyCall:
    """Return a call that looks, of a target that is no HTTP target else. Raises ``ConfigError``."""
    try:
        form = _VerifyForm.model_validate(dict(mapping))
    except ValidationError as error:
        raise ConfigError(_translated(error, f"{where}.verify")) from None
    reader = _Reader(where)
    verify = reader.verify(form)
    if verify is None or reader.problems:
        raise ConfigError(tuple(reader.problems))
    return verify


def _translated(error: ValidationError, where: str) -> tuple[Problem, ...]:
    return tuple(
        Problem(".".join([where, *map(str, one["loc"])]), one["msg"], _DOCS)
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    )


class _Reader:
    """Turns forms into settings and collects what is wrong on the way."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.problems: list[Problem] = []

    def target(self, name: str, form: _TargetForm, headers: Mapping[str, str]) -> HttpTargetSettings | None:
        delete = self._delete(form.delete)
        verify = self.verify(form.verify) if form.verify else None
        self._headers(headers)
        if delete is None or (form.verify is not None and verify is None):
            return None
        self._same_path(delete, verify)
        return HttpTargetSettings(
            name=name,
            delete=delete,
            verify=verify,
            headers=MappingProxyType(dict(headers)),
            limits=TargetLimits(form.concurrency, form.per_second),
            max_completion=timedelta(days=form.max_completion_days),
        )

    def _delete(self, form: _DeleteForm) -> DeleteCall | None:
        call = self._call(form, form.method, "delete")
        done = self._criterion(form.done, "delete.done")
        no_data = self._criterion(form.no_data, "delete.no_data") if form.no_data else None
        accepted = self._criterion(form.accepted, "delete.accepted") if form.accepted else None
        job = self._job(form.job) if form.job else None
        if form.job is not None and form.accepted is None:
            self._add("delete.job", "goes with no accepted answer", "Say under accepted what takes the order")
        return DeleteCall(call, done, no_data, accepted, job) if call and done else None

    def _job(self, form: _JobForm) -> JobCall | None:
        poll, part = form.poll, "delete.job.poll"
        remedy = "Write e.g. https://host/jobs/{job}, with {job} in its path or query and no identity"
        url = self._parsed(parse_url, poll.url.replace(FIELD, "job"), f"{part}.url", remedy)
        if url is None:
            return None
        if not poll.url.startswith(url.origin) or FIELD not in poll.url or url.fields:
            self._add(f"{part}.url", "does not name the job alone", remedy)
        self._check_origin(url.origin, f"{part}.url")
        criteria = {
            name: self._criterion(one, f"{part}.{name}") if one else None
            for name, one in (
                ("done", poll.done), ("failed", poll.failed), ("vanished", poll.vanished), ("running", poll.running),
            )
        }  # fmt: skip
        done = criteria.pop("done")
        if done is not None and not done.conditions:
            self._add(f"{part}.done", "takes any answer for done", "Add e.g. where: ['/state == \"done\"']")
        return JobCall(form.reference, poll.method, poll.url, done, **criteria, count=poll.count,
                       timeout_s=poll.timeout_s) if done else None  # fmt: skip

    def verify(self, form: _VerifyForm) -> VerifyCall | None:
        call = self._call(form, form.method, "verify")
        gone = self._criterion(form.gone, "verify.gone")
        present = self._criterion(form.present, "verify.present") if form.present else None
        if gone and not gone.conditions and any(status < 300 for status in gone.statuses):
            self._add("verify.gone", "takes any 2xx answer for gone", "Add a condition, e.g. where: ['/total == 0']")
        return VerifyCall(call, gone, present) if call and gone else None

    def _call(self, form: _CallForm, method: str, part: str) -> HttpCall | None:
        url = self._parsed(parse_url, form.url, f"{part}.url", "Write e.g. https://host/customers/{customer_id}")
        body = None
        if form.body is not None:
            body = self._parsed(parse_json, form.body, f"{part}.body", "Write the JSON body as a mapping")
        if url is None or (form.body is not None and body is None):
            return None
        call = HttpCall(method, url, body, form.timeout_s, form.count)
        self._check_call(call, part)
        return call

    def _check_call(self, call: HttpCall, part: str) -> None:
        if not call.fields:
            self._add(part, "names no identity, so it would be the same for everybody", "Put in e.g. {customer_id}")
        if call.body is not None and call.method in {"GET", "HEAD"}:
            self._add(f"{part}.body", f"can't go with {call.method}", "Use POST, or put the identity in the URL")
        self._check_origin(call.url.origin, f"{part}.url")

    def _check_origin(self, origin: str, part: str) -> None:
        split = urlsplit(origin)
        if split.scheme == "http" and not is_loopback(split.hostname or ""):
            self._add(part, "is plain HTTP to another machine", "Use https://")

    def _criterion(self, form: _CriterionForm, part: str) -> Criterion | None:
        if any(300 <= status < 400 for status in form.status):
            self._add(f"{part}.status", "takes a redirect for an answer", "Name the URL that answers itself")
        conditions = [
            self._parsed(parse_condition, text, f"{part}.where[{index}]", "Write e.g. '/deleted >= 1'")
            for index, text in enumerate(form.where)
        ]
        kept = tuple(condition for condition in conditions if condition is not None)
        return Criterion(frozenset(form.status), kept) if len(kept) == len(conditions) else None

    def _same_path(self, delete: DeleteCall, verify: VerifyCall | None) -> None:
        if verify and (verify.call.method, verify.call.url) == (delete.call.method, delete.call.url):
            self._add("verify", "is the delete call again", "Look by another path: a read, a search, a count (E28)")

    def _headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
                self._add("headers", "has a name that can't be set", "Name headers such as Authorization")
            elif not value or not value.isascii() or not value.isprintable():
                self._add(f"headers.{name}", "is empty or not printable ASCII", "Check the secret it comes from")

    def _parsed(self, parse: Callable[[Any], T], value: Any, part: str, remedy: str) -> T | None:
        try:
            return parse(value)
        except (TemplateInvalid, CriterionInvalid) as error:
            self._add(part, str(error), remedy)
            return None

    def _add(self, part: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(f"{self._where}.{part}", message, remedy))
