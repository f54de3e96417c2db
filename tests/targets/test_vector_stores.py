"""Vector stores are erased from by the examples of docs/targets.md, word for word (E25: embeddings included)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, create_engine, text

from sidecar.config.erasure import ErasureConfig
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.targets.http import HttpTarget
from sidecar.targets.http_settings import parse_http_target
from sidecar.targets.sql import SqlTarget
from sidecar.targets.sql_settings import SqlSettings
from sidecar.targets.target import DeleteStatus, VerifyStatus
from sidecar.tls.contexts import ClientTls, client_context
from tests.services import fresh_postgresql
from tests.targets.vector_stores import VectorStore, pinecone, qdrant, running, weaviate

DOCS = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
SECTION = DOCS.partition("### Vector stores\n")[2].partition("\n## ")[0]
NAMES = ("Qdrant", "Weaviate", "Pinecone", "pgvector")
EXAMPLES = dict(zip(NAMES, re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL), strict=True))
STORES = [("Qdrant", qdrant, "api-key"), ("Weaviate", weaviate, "Authorization"), ("Pinecone", pinecone, "Api-Key")]
HOSTILE = ['C-1"}}) { x } }', "C\\", "C-1'; --", "{customer_id}", "Zoë\u2028😀"]


def customer(value: str) -> list[SubjectIdentity]:
    return [SubjectIdentity(IdentityType.CUSTOMER_ID, value)]


def documented(name: str) -> dict[str, Any]:
    (target,) = yaml.safe_load(EXAMPLES[name])["erasure"]["targets"]
    assert ErasureConfig.model_validate({"targets": [target]}).targets
    return dict(target)


@asynccontextmanager
async def example(name: str, kind: Callable[..., Any], secret: str) -> AsyncIterator[tuple[VectorStore, HttpTarget]]:
    async with running(kind, secret) as store:
        mapping = documented(name)
        for call in ("delete", "verify"):
            mapping[call]["url"] = re.sub(r"^https://[^/]+", store.url, mapping[call]["url"])
        calls = {key: mapping[key] for key in ("delete", "verify")}
        headers = dict.fromkeys(mapping["headers"], "hidden")
        target = HttpTarget(parse_http_target(name, calls, headers, "docs"))
        await target.start()
        try:
            yield store, target
        finally:
            await target.stop()


@pytest.mark.parametrize(("name", "kind", "secret"), STORES)
async def test_E25_one_persons_vectors_go_and_that_is_seen(name: str, kind: Callable[..., Any], secret: str) -> None:
    async with example(name, kind, secret) as (store, target):
        store.vectors = {"C-1": 3, "C-10": 2}
        assert (await target.verify(customer("C-1"))).status is VerifyStatus.PRESENT
        assert (await target.delete(customer("C-1"))).status is DeleteStatus.DELETED
        assert (await target.verify(customer("C-1"))).status is VerifyStatus.GONE
        assert store.vectors == {"C-10": 2}
        assert set(store.secrets) == {"hidden"}


@pytest.mark.parametrize(("name", "kind", "secret"), STORES)
async def test_E16_an_error_with_status_200_is_no_success(name: str, kind: Callable[..., Any], secret: str) -> None:
    async with example(name, kind, secret) as (store, target):
        store.refuses = True
        assert (await target.delete(customer("C-1"))).status is DeleteStatus.FAILED
        assert (await target.verify(customer("C-1"))).status is not VerifyStatus.GONE


@pytest.mark.parametrize(("name", "kind", "secret"), STORES)
@pytest.mark.parametrize("value", HOSTILE)
async def test_an_identifier_is_data_and_never_a_query(
    name: str, kind: Callable[..., Any], secret: str, value: str
) -> None:
    async with example(name, kind, secret) as (store, target):
        store.vectors = {value: 1, "C-1": 1}
        assert (await target.verify(customer(value))).status is VerifyStatus.PRESENT
        await target.delete(customer(value))
        assert (await target.verify(customer(value))).status is VerifyStatus.GONE
        assert store.vectors == {"C-1": 1}


@pytest.mark.parametrize(("name", "kind", "secret"), STORES)
async def test_E28_what_a_store_still_shows_is_not_gone(name: str, kind: Callable[..., Any], secret: str) -> None:
    async with example(name, kind, secret) as (store, target):
        store.vectors, store.lags = {"C-1": 1}, 1
        await target.delete(customer("C-1"))
        assert (await target.verify(customer("C-1"))).status is VerifyStatus.PRESENT
        assert (await target.verify(customer("C-1"))).status is VerifyStatus.GONE


@contextmanager
def embeddings(url: str) -> Iterator[Engine]:
    """A table with a column of a type called vector, which no driver knows: the extension's where it is installed."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        there = connection.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"))
        made = "CREATE EXTENSION vector" if there else "CREATE TYPE vector AS (dimensions real[])"
        value = "'[1,2,3]'" if there else "ROW(ARRAY[1,2,3])::vector"
        for statement in (
            made,
            "CREATE TABLE chat_embeddings (id bigserial PRIMARY KEY, customer text NOT NULL, embedding vector)",
            f"INSERT INTO chat_embeddings (customer, embedding) VALUES ('C-1', {value}), ('C-1', {value}), "
            f"('C-10', {value})",
        ):
            connection.execute(text(statement))
    try:
        yield engine
    finally:
        engine.dispose()


async def test_E25_vectors_in_postgresql_go_with_their_rows() -> None:
    mapping = documented("pgvector")
    with fresh_postgresql() as url, embeddings(url) as engine:
        target = SqlTarget(SqlSettings.model_validate(mapping), url, client_context(ClientTls()), "docs")
        await target.start()
        assert (await target.verify(customer("C-1"))).count == 2
        assert (await target.delete(customer("C-1"))).count == 2
        assert (await target.verify(customer("C-1"))).status is VerifyStatus.GONE
        await target.stop()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT customer FROM chat_embeddings")).scalars().all() == ["C-10"]
