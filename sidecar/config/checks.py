"""What no single key shows: references, duplicates, files. Each check takes the whole and yields its problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from sidecar.config.listeners import ServerTlsConfig
from sidecar.config.model import Config
from sidecar.config.scalars import is_loopback, port_of
from sidecar.erasure.plan import OWN_NAME
from sidecar.errors import Problem
from sidecar.targets.subject_keys import NAME as SUBJECT_KEYS

Check = Callable[[Config], Iterable[Problem]]


def check_references(config: Config) -> Iterator[Problem]:
    """Every name used is defined."""
    policies = {"default", *config.policies}
    for index, route in enumerate(config.routes):
        where = f"routes[{index}]"
        if route.upstream not in config.upstreams:
            known = ", ".join(sorted(config.upstreams)) or "none"
            yield Problem(f"{where}.upstream", f"no upstream is called {route.upstream}", f"Defined are: {known}.")
        if route.policy not in policies:
            known = ", ".join(sorted(policies))
            yield Problem(f"{where}.policy", f"no policy is called {route.policy}", f"Defined are: {known}.")


def check_listeners(config: Config) -> Iterator[Problem]:
    """Each has an address of its own, and no upstream is one of them: what is here is not reached through ``data``."""
    data, admin = config.listeners.data, config.listeners.admin
    if data.port == admin.port != 0 and (data.host == admin.host or _ANYWHERE & {data.host, admin.host}):
        remedy = "Choose another one."
        yield Problem("listeners.admin.port", f"{admin.port} is the port of the data listener, too", remedy)
    for name, upstream in config.upstreams.items():
        parts = urlsplit(upstream.url)
        host, port = parts.hostname or "", port_of(parts)
        for listener, one in (("data", data), ("admin", admin)):
            if port == one.port and _is_here(host, one.host):
                problem = f"is the {listener} listener of this sidecar"
                yield Problem(f"upstreams.{name}.url", problem, "Give the address of the server behind it.")


_ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what is compared, not listened on


def _is_here(host: str, listened: str) -> bool:
    """Whether a listener's address is what a host leads to, as far as can be told without asking anybody."""
    if listened in _ANYWHERE or host == "localhost":
        return is_loopback(host) and (listened in _ANYWHERE or is_loopback(listened))
    return host == listened


def check_erasure_triggers(config: Config) -> Iterator[Problem]:
    """What is recognised in traffic can be filed."""
    if config.erasure.targets or config.erasure.subject_keys is not None:
        return
    for index, route in enumerate(config.routes):
        if route.erasure_trigger is not None:
            remedy = "Add erasure.targets, or remove it."
            yield Problem(f"routes[{index}].erasure_trigger", "could file nothing: no erasure is configured", remedy)


def check_shown_systems(config: Config) -> Iterator[Problem]:
    """Upstreams that show a system's data are there to be closed."""
    for index, target in enumerate(config.erasure.targets):
        for name in sorted(target.upstreams - config.upstreams.keys()):
            known = ", ".join(sorted(config.upstreams)) or "none"
            where = f"erasure.targets[{index}].upstreams"
            yield Problem(where, f"no upstream is called {name}", f"Defined are: {known}.")
        if target.upstreams and target.canary is None:
            where = f"erasure.targets[{index}].canary"
            yield Problem(where, "is missing, so that nothing would ever close the upstreams", "Add one.")


def check_own_names(config: Config) -> Iterator[Problem]:
    """No system is called what the sidecar calls a target of its own: receipts could not tell them apart."""
    own = {OWN_NAME, *([SUBJECT_KEYS] if config.erasure.subject_keys is not None else [])}
    for index, target in enumerate(config.erasure.targets):
        if target.name in own:
            problem = f"{target.name} is what the sidecar calls a target that it is itself"
            yield Problem(f"erasure.targets[{index}].name", problem, "Choose another name.")


def check_encrypted_backups(config: Config) -> Iterator[Problem]:
    """What is encrypted by the keys of people names keys that there are."""
    if config.erasure.subject_keys is not None:
        return
    for index, target in enumerate(config.erasure.targets):
        for number, one in enumerate(target.backups):
            if one.encrypted_by is not None:
                where = f"erasure.targets[{index}].backups[{number}].encrypted_by"
                yield Problem(where, "names keys that are not kept here", "Add erasure.subject_keys, or remove it.")


def check_duplicates(config: Config) -> Iterator[Problem]:
    """Names that end up in records and metrics stand for one thing; a prefix and method lead to one route."""
    signers = (one.name for one in config.erasure.trigger_webhooks)
    named = "identities and erasure.trigger_webhooks" if config.erasure.trigger_webhooks else "identities"
    yield from _twice(named, (*(one.name for one in config.identities), *signers))
    yield from _twice("routes", (one.name for one in config.routes))
    yield from _twice("erasure.notify", (one.name for one in config.erasure.notify))
    yield from _twice("audit.anchors", (one.name for one in config.audit.anchors))
    yield from _twice("audit.sinks", (one.name for one in config.audit.sinks))
    yield from _twice("erasure.targets", (one.name for one in config.erasure.targets))
    yield from _twice("detection.id_grammars", (one.name for one in config.detection.id_grammars))
    yield from _twice("detection.plugins", (one.name for one in config.detection.plugins))
    ways = [f"{method} {route.path_prefix}" for route in config.routes for method in sorted(route.methods)]
    yield from _twice("routes", ways)
    proofs = [one.token_sha256 or (one.certificate.san if one.certificate else "") for one in config.identities]
    for index, proof in enumerate(proofs):
        if proof in proofs[:index]:
            yield Problem(f"identities[{index}]", "proves itself like an earlier identity", "Give each its own proof.")


def _twice(where: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(where, f"{name} is defined {count} times", "Keep one, or rename the others.")


def check_files(config: Config) -> Iterator[Problem]:
    """Every file named exists; folders that we write to exist."""
    journal = config.erasure.journal
    if journal is not None and not _there(journal.parent.is_dir):
        yield Problem("erasure.journal", f"no folder {journal.parent}", "Create or mount it.")
    for where, path in _files(config):
        if not _there(path.is_file):
            yield Problem(
                where, f"no file {path}", "Create or mount it, mend the path, or let the sidecar's user reach it."
            )
    keys = config.erasure.subject_keys
    if keys is not None and not _there(keys.folder.is_dir):
        yield Problem("erasure.subject_keys.folder", f"no folder {keys.folder}", "Create it, on a volume of its own.")
    folder = config.audit.folder
    if not _there(folder.parent.is_dir):
        yield Problem("audit.folder", f"no folder {folder.parent}", "Create or mount it.")
    elif _there(folder.is_file):
        remedy = "If it is a log of earlier releases, verify it with the one that wrote it, keep it, and name another."
        yield Problem("audit.folder", f"{folder} is a file", remedy)


def _there(look: Callable[[], bool]) -> bool:
    """Whether something is there for us: what lies in a folder that we may not enter is not."""
    try:
        return look()
    except OSError:
        return False


def _files(config: Config) -> Iterator[tuple[str, Path]]:
    for name, tls in (("data", config.listeners.data.tls), ("admin", config.listeners.admin.tls)):
        if tls is not None:
            yield from _tls_files(f"listeners.{name}.tls", tls)
    for name, upstream in config.upstreams.items():
        for key in ("ca", "certificate", "private_key"):
            path = getattr(upstream.tls, key)
            if path is not None:
                yield f"upstreams.{name}.tls.{key}", path
    if config.erasure.opendsr is not None:
        yield "erasure.opendsr.certificate", config.erasure.opendsr.certificate
        yield "erasure.opendsr.private_key", config.erasure.opendsr.private_key
    yield from _key_files(config)
    if config.detection.catalogue is not None:
        yield "detection.catalogue.file", config.detection.catalogue.file


def _key_files(config: Config) -> Iterator[tuple[str, Path]]:
    provider = config.audit.key_provider
    if provider.kind == "vault":
        yield "audit.key_provider.token_file", provider.token_file
        if provider.ca is not None:
            yield "audit.key_provider.ca", provider.ca
    if config.keys.master_file is not None:
        yield "keys.master_file", config.keys.master_file
    for index, one in enumerate(config.keys.previous):
        if one.master_file is not None:
            yield f"keys.previous[{index}].master_file", one.master_file


def _tls_files(where: str, tls: ServerTlsConfig) -> Iterator[tuple[str, Path]]:
    yield f"{where}.certificate", tls.certificate
    yield f"{where}.private_key", tls.private_key
    if tls.client_ca is not None:
        yield f"{where}.client_ca", tls.client_ca
    if tls.client_crl is not None:
        yield f"{where}.client_crl", tls.client_crl


def check_presence(config: Config) -> Iterator[Problem]:
    """Something is served, and somebody may call."""
    if not config.routes:
        yield Problem("routes", "names no route", "Add one; every other path is refused.")
    if not config.identities:
        yield Problem("identities", "names no caller", "Add one; everybody else is denied.")


CHECKS: tuple[Check, ...] = (
    check_references,
    check_listeners,
    check_erasure_triggers,
    check_shown_systems,
    check_own_names,
    check_encrypted_backups,
    check_duplicates,
    check_files,
)
