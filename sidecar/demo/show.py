"""Shows one conversation as the chatbot has it and as a trainer gets it, side by side."""

from __future__ import annotations

import ssl
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp

from sidecar.access import Role
from sidecar.demo.setup import DemoSetup

_COLUMN = 58


async def compare(setup: DemoSetup, chatbot_url: str, data_port: int) -> str:
    """Fetch a conversation from the chatbot and through the sidecar, and return both as text."""
    async with aiohttp.ClientSession() as session:
        chats = await _get(session, f"{chatbot_url}/api/conversations", None)
        path = f"/api/conversations/{chats['conversations'][0]['id']}"
        original = await _get(session, chatbot_url + path, None)
        redacted = await _get(session, f"https://localhost:{data_port}{path}", _trainer(setup))
    return "\n".join(_side_by_side(_lines(original), _lines(redacted)))


def usage(setup: DemoSetup, data_port: int, admin_port: int) -> str:
    """Return the commands by which a newcomer goes on."""
    folder = setup.folder
    curl = f"curl --cacert {setup.certificates.ca}"
    return f"""\
Call it as a trainer's tool would:
  {_curl(setup, curl, Role.TRAINER)} https://localhost:{data_port}/api/conversations
Metrics, and the audit log with a line before and after each access:
  {_curl(setup, curl, Role.METRICS)} https://localhost:{admin_port}/metrics
  sidecar audit verify {folder}/audit
Have a customer erased from the chatbot (put their e-mail in), and look at the state of the request:
  {_curl(setup, curl, Role.INTAKE)} https://localhost:{admin_port}/v1/erasures --json \\
    '{{"id": "6f1c2f1e-6f0a-4c39-9d0e-5b7f1f6f7a10", "regulation": "gdpr", "verified_by": "account_login",
      "subject": {{"identities": [{{"type": "email", "value": "CUSTOMER@example.com"}}]}}}}'
  {_curl(setup, curl, Role.INTAKE)} https://localhost:{admin_port}/v1/erasures/6f1c2f1e-6f0a-4c39-9d0e-5b7f1f6f7a10
The configuration is {setup.config}. Ctrl-C stops it.
"""


def _curl(setup: DemoSetup, curl: str, role: Role) -> str:
    certificate, key = setup.certificates.client(role)
    return f"{curl} --cert {certificate} --key {key}"


def _trainer(setup: DemoSetup) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(setup.certificates.ca))
    certificate, key = setup.certificates.client(Role.TRAINER)
    context.load_cert_chain(certificate, key)
    return context


async def _get(session: aiohttp.ClientSession, url: str, tls: ssl.SSLContext | None) -> Any:
    async with session.get(url, ssl=tls if tls is not None else True) as response:
        response.raise_for_status()
        return await response.json()


def _lines(chat: Mapping[str, Any]) -> list[str]:
    conversation = chat["conversation"]
    known = [f"{key}: {value}" for key, value in conversation.get("customer", {}).items()]
    return [*known, "", *(f"{one['speaker']}: {one['text']}" for one in conversation["messages"])]


def _side_by_side(left: Sequence[str], right: Sequence[str]) -> Iterator[str]:
    yield f"{'WHAT THE CHATBOT HAS':{_COLUMN}} | WHAT A TRAINER GETS"
    yield f"{'-' * _COLUMN}-+-{'-' * _COLUMN}"
    for one, other in zip(left, right, strict=True):
        columns = textwrap.wrap(one, _COLUMN) or [""], textwrap.wrap(other, _COLUMN) or [""]
        for row in range(max(map(len, columns))):
            cells = [column[row] if row < len(column) else "" for column in columns]
            yield f"{cells[0]:{_COLUMN}} | {cells[1]}".rstrip()
