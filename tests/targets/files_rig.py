"""An archive: exports by customer, avatars by e-mail, and data sets of four kinds."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from sidecar.targets import parquet_sets
from sidecar.targets.files import FilesTarget
from sidecar.targets.files_settings import FilesSettings
from tests.targets.rig import Person, Rig

MAPPING: dict[str, Any] = {
    "name": "archive",
    "type": "files",
    "remove": ["by-customer/{customer_id}/**", "avatars/{email}.*"],
    "datasets": [
        {"files": "chats/*.jsonl", "format": "jsonl", "match": [{"field": "/user/email", "value": "{email}"}]},
        {"files": "chats/*.jsonl.gz", "format": "jsonl", "match": [{"field": "/user/email", "value": "{email}"}]},
        {"files": "tables/**/*.csv", "format": "csv", "match": [{"field": "mail", "value": "{email}"}]},
        {"files": "tables/*.parquet", "format": "parquet", "match": [
            {"field": "id", "value": "{customer_id}"}, {"field": "mail", "value": "{email}"}]},
    ],
}  # fmt: skip


def files_target(folder: Path, **changes: Any) -> FilesTarget:
    settings = FilesSettings.model_validate(MAPPING | {"folder": str(folder)} | changes)
    return FilesTarget(settings, parquet_sets, "erasure.targets[0]")


class Archive:
    """A look at the folder past the target."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("chats", "tables/2025", "avatars", "by-customer"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.lines, self.packed = folder / "chats/may.jsonl", folder / "chats/april.jsonl.gz"
        self.table, self.columns = folder / "tables/2025/may.csv", folder / "tables/may.parquet"

    def put(self, person: Person) -> None:
        line = json.dumps({"user": {"email": person.email}, "text": "hi"}, ensure_ascii=False).encode() + b"\n"
        self.lines.write_bytes((self.lines.read_bytes() if self.lines.exists() else b"") + line)
        self.packed.write_bytes((self.packed.read_bytes() if self.packed.exists() else b"") + gzip.compress(line))
        with self.table.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(["mail", "note"])
            writer.writerow([person.email, "two\nlines, and a comma"])
        self._put_columns(person)
        exports = self.folder / "by-customer" / person.customer_id / "2025"
        exports.mkdir(parents=True, exist_ok=True)
        (exports / "export.json").write_text("{}")
        (self.folder / "avatars" / f"{person.email}.png").write_bytes(b"png")

    def _put_columns(self, person: Person) -> None:
        new = pa.table({"id": [person.customer_id], "mail": [person.email], "n": [1]})
        if self.columns.exists():
            new = pa.concat_tables([parquet.read_table(self.columns), new])
        parquet.write_table(new, self.columns)

    def left(self, person: Person) -> int:
        lines = [*self.lines.read_text().splitlines(), *gzip.decompress(self.packed.read_bytes()).decode().splitlines()]
        with self.table.open(newline="", encoding="utf-8") as file:
            rows = sum(row[0] == person.email for row in csv.reader(file))
        columns = parquet.read_table(self.columns).to_pylist()
        return int(
            sum(json.loads(line)["user"]["email"] == person.email for line in lines)
            + rows
            + sum(row["mail"] == person.email or row["id"] == person.customer_id for row in columns)
            + (self.folder / "by-customer" / person.customer_id).exists()
            + (self.folder / "avatars" / f"{person.email}.png").exists()
        )


@asynccontextmanager
async def files_rig(folder: Path) -> AsyncIterator[Rig]:
    archive = Archive(folder / "archive")
    for one in (archive.lines, archive.packed, archive.table):
        one.touch()
    empty = pa.schema([("id", pa.string()), ("mail", pa.string()), ("n", pa.int64())]).empty_table()
    parquet.write_table(empty, archive.columns)
    yield Rig(
        target=files_target(folder / "archive"),
        absent=files_target(folder / "nowhere"),
        put=lambda person: asyncio.to_thread(archive.put, person),
        left=lambda person: asyncio.to_thread(archive.left, person),
    )
