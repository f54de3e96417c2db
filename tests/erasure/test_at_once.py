"""What happens in the midst of somebody else's transaction: replicas on one database see each other's changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, event, insert, make_url, select

from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import LOOK, steps, tasks
from tests.erasure.world import START, Clock, http_target, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping


@contextmanager
def another(url: str) -> Iterator[Connection]:
    """What another process does on the same database, committed in the end."""
    engine = create_engine(make_url(url))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def once_after(database: Database, part: str, act: Callable[[], object]) -> Iterator[None]:
    """Have something done by another process after the first statement that has ``part`` in it."""
    engine: Any = database._engine
    left = [act]

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if part in " ".join(statement.split()) and left:
            thread = threading.Thread(target=left.pop())
            thread.start()
            thread.join(5)

    event.listen(engine, "after_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(engine, "after_cursor_execute", look)
    assert not left


async def test_E28_a_count_that_is_written_while_a_request_is_read(database_url: str) -> None:
    async with running_upstream() as upstream, world(database_url, [target(upstream)]) as w:
        await w.submit()

        def count() -> None:
            with another(database_url) as connection:
                task = connection.scalar(select(tasks.c.id))
                values = {"task_id": task, "step": LOOK, "status": "seen", "count": 2, "round": 1, "at": START}
                connection.execute(insert(steps).values(values))

        with once_after(w.database, "steps.fault", count):
            view = await w.view()
        assert view.tasks[0].found is None
        assert (await w.view()).tasks[0].found == 2


def target(upstream: Upstream) -> Any:
    return http_target("crm", target_mapping(upstream.url), Clock())
