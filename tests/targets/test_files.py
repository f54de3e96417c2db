"""What only folders and data sets do. The rest is in the contract suite."""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from sidecar.errors import ConfigError
from sidecar.targets.files import FilesTarget
from sidecar.targets.files_settings import FilesSettings
from sidecar.targets.parquet_sets import texts_of_parquet
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.targets.files_rig import MAPPING, files_target
from tests.targets.rig import ANNA, BERT, Person

BY_MAIL = [{"field": "/mail", "value": "{email}"}]
LINES = {"remove": [], "datasets": [{"files": "*.jsonl", "format": "jsonl", "match": BY_MAIL}]}


@asynccontextmanager
async def started(folder: Path, **changes: Any) -> AsyncIterator[FilesTarget]:
    target = files_target(folder, **changes)
    await target.start()
    try:
        yield target
    finally:
        await target.stop()


def line(mail: str, **more: Any) -> bytes:
    return json.dumps({"mail": mail, **more}).encode() + b"\n"


async def test_other_records_stay_byte_for_byte_with_rights_and_owner(tmp_path: Path) -> None:
    kept = b'{"mail" :"bert@example.org" , "n":1.10}\r\n\n{"mail":"c@example.org"}'
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(ANNA.email) + kept)
    file.chmod(0o640)
    os.chown(file, 12345, 12345)
    async with started(tmp_path, **LINES) as target:
        assert (await target.delete(ANNA.identities)).count == 1
    status = file.stat()
    assert file.read_bytes() == kept
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o640, 12345, 12345)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


async def test_a_file_without_the_person_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(BERT.email))
    before = file.stat()
    async with started(tmp_path, **LINES) as target:
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("broken", [b"{not json\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"])
async def test_a_line_that_can_not_be_read_leaves_the_file_alone(tmp_path: Path, broken: bytes) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(ANNA.email) + broken)
    async with started(tmp_path, **LINES) as target:
        assert (await target.delete(ANNA.identities)).fault is TargetFault.UNEXPECTED_BODY
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.FAILED
    assert file.read_bytes() == line(ANNA.email) + broken


@pytest.mark.parametrize("cut", [b"", b"x" * 8])
async def test_a_damaged_compressed_file_is_a_fault(tmp_path: Path, cut: bytes) -> None:
    data = gzip.compress(line(ANNA.email) * 50)
    (tmp_path / "a.jsonl.gz").write_bytes(data[:-12] + cut)
    packed = {"remove": [], "datasets": [{"files": "*.gz", "format": "jsonl", "match": BY_MAIL}]}
    async with started(tmp_path, **packed) as target:
        assert (await target.delete(ANNA.identities)).fault is TargetFault.UNEXPECTED_BODY


async def test_E28_an_identity_in_another_field_is_found_by_searching_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(BERT.email, text=f"ask {ANNA.email.upper()}, please"))
    async with started(tmp_path, **LINES) as target:
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
        looked = await target.verify(ANNA.identities)
        assert (looked.status, looked.count) == (VerifyStatus.PRESENT, 1)
    anywhere = [{"field": "", "value": "{email}", "compare": "contains"}]
    changed = {"remove": [], "datasets": [{"files": "*.jsonl", "format": "jsonl", "match": anywhere}]}
    (tmp_path / "a.jsonl").write_bytes(line(BERT.email, text=f"ask {ANNA.email}, please"))
    async with started(tmp_path, **changed) as target:
        assert (await target.delete(ANNA.identities)).count == 1
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_E28_spellings_of_json_are_found_and_longer_names_are_not(tmp_path: Path) -> None:
    umlaut = Person("zoë/x@example.org", "C-9")
    (tmp_path / "a.jsonl").write_bytes(
        b'{"mail":"b@x.org","t":"zo\\u00eb\\/x@example.org jo' + ANNA.email.encode() + b'"}\n'
    )
    async with started(tmp_path, **LINES) as target:
        assert (await target.verify(umlaut.identities)).status is VerifyStatus.PRESENT
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_an_identity_across_chunks_is_found_once(tmp_path: Path) -> None:
    padding = "x" * (1024 * 1024 - 30)
    (tmp_path / "a.jsonl").write_bytes(line(BERT.email, text=f"{padding} {ANNA.email} {padding}"))
    async with started(tmp_path, **LINES) as target:
        assert (await target.verify(ANNA.identities)).count == 1


async def test_a_file_that_changes_meanwhile_is_busy_and_loses_nothing(tmp_path: Path) -> None:
    from sidecar.targets.rewriting import FileChanged, rewrite

    file = tmp_path / "a.jsonl"
    file.write_bytes(line(ANNA.email))

    def copy(_old: Any, new: Any) -> int:
        with file.open("ab") as appending:
            appending.write(line(BERT.email))
        return int(new.write(b""))

    with pytest.raises(FileChanged):
        rewrite(file, copy)
    assert file.read_bytes() == line(ANNA.email) + line(BERT.email)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


KILLED = """
import os, signal, sys
from pathlib import Path
from sidecar.targets.rewriting import rewrite

def copy(old, new):
    new.write(old.read()); new.flush()
    os.kill(os.getpid(), signal.SIGKILL)

rewrite(Path(sys.argv[1]), copy)
"""


async def test_E13_an_empty_folder_that_a_killed_run_left_is_removed_and_nobody_elses(tmp_path: Path) -> None:
    for name in (f"{ANNA.customer_id}/2025", f"{ANNA.customer_id}-2", f"{BERT.customer_id}/2025"):
        (tmp_path / "by-customer" / name).mkdir(parents=True)
    target = files_target(tmp_path)
    await target.start()
    assert (await target.verify(ANNA.identities)).status is VerifyStatus.PRESENT
    assert (await target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
    assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["by-customer", f"by-customer/{BERT.customer_id}", f"by-customer/{BERT.customer_id}/2025"]
    await target.stop()


async def test_E13_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(ANNA.email) + line(BERT.email))
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, file)
    assert await killed.wait() == -signal.SIGKILL
    leftover = next(path for path in tmp_path.iterdir() if path != file)
    assert file.read_bytes() == line(ANNA.email) + line(BERT.email)
    async with started(tmp_path, **LINES) as target:
        assert (await target.delete(ANNA.identities)).count == 1
        assert not leftover.exists()
        assert file.read_bytes() == line(BERT.email)


async def test_E13_what_a_living_writer_works_on_keeps_it_from_being_verified(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(BERT.email))
    working = tmp_path / ".a.jsonl.0000.sidecar-rewriting"
    async with started(tmp_path, **LINES) as target:
        with working.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert (await target.verify(ANNA.identities)).fault is TargetFault.BUSY
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_a_link_is_never_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.jsonl", tmp_path / "folder"
    outside.write_bytes(line(ANNA.email))
    folder.mkdir()
    async with started(folder, **LINES) as target:
        (folder / "a.jsonl").symlink_to(outside)
        assert (await target.delete(ANNA.identities)).fault is TargetFault.MISCONFIGURED
        assert (await target.verify(ANNA.identities)).fault is TargetFault.MISCONFIGURED
    assert outside.read_bytes() == line(ANNA.email)
    with pytest.raises(ConfigError, match=r"targets\[0\]\.folder: .*no links"):
        await files_target(folder, **LINES).start()


async def test_an_empty_mount_point_is_not_a_folder_without_the_person(tmp_path: Path) -> None:
    async with started(tmp_path, **LINES, marker="this-is-the-archive") as target:
        assert (await target.delete(ANNA.identities)).fault is TargetFault.UNREACHABLE
        assert (await target.verify(ANNA.identities)).fault is TargetFault.UNREACHABLE
        (tmp_path / "this-is-the-archive").touch()
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


@pytest.mark.parametrize("value", ["../..", "a/b", "..", "."])
async def test_an_identity_never_leads_to_another_folder(tmp_path: Path, value: str) -> None:
    async with started(tmp_path, datasets=[]) as target:
        person = Person(ANNA.email, value).identities
        assert (await target.delete(person)).fault is TargetFault.IDENTITY_UNUSABLE
        assert (await target.verify(person)).status is VerifyStatus.IMPOSSIBLE


async def test_E28_files_that_bear_the_identity_elsewhere_are_seen(tmp_path: Path) -> None:
    async with started(tmp_path, datasets=[]) as target:
        (tmp_path / f"report for {ANNA.email}.pdf").touch()
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.PRESENT


CSV = {"remove": [], "datasets": [{"files": "*.csv", "format": "csv", "delimiter": ";", "match": [
    {"field": "mail", "value": "{email}", "compare": "ignore_case"}]}]}  # fmt: skip


async def test_csv_records_go_whole_and_others_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    head, kept = "\ufeffmail;note\r\n".encode(), b'"bert@example.org";"a ""b""\r\n;c"\r\n'
    file.write_bytes(head + f'{ANNA.email.upper()};"x\n{ANNA.email}\ny"\r\n'.encode() + kept)
    async with started(tmp_path, **CSV) as target:
        assert (await target.delete(ANNA.identities)).count == 1
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
    assert file.read_bytes() == head + kept


async def test_csv_records_go_by_every_column_of_the_name(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"mail;note;mail\n{BERT.email};x;{ANNA.email}\n{BERT.email};x;\n")
    async with started(tmp_path, **CSV) as target:
        assert (await target.delete(ANNA.identities)).count == 1
    assert file.read_text() == f"mail;note;mail\n{BERT.email};x;\n"


async def test_csv_without_the_column_is_a_misconfiguration_and_never_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"email;note\n{ANNA.email};x\n")
    async with started(tmp_path, **CSV) as target:
        assert (await target.delete(ANNA.identities)).fault is TargetFault.MISCONFIGURED
        assert (await target.verify(ANNA.identities)).fault is TargetFault.MISCONFIGURED


COLUMNS = {"remove": [], "datasets": [{"files": "*.parquet", "format": "parquet", "match": [
    {"field": "mail", "value": "{email}"}]}]}  # fmt: skip


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip", "none"])
async def test_parquet_keeps_types_groups_and_nothing_of_the_person(tmp_path: Path, compression: str) -> None:
    file = tmp_path / "a.parquet"
    mails = [ANNA.email, BERT.email, None, ANNA.email, "c@example.org"]
    table = pa.table(
        {"mail": pa.array(mails).dictionary_encode(), "n": pa.array([1, 2, 3, 4, None], pa.int16())},
        metadata={b"owner": b"team"},
    )
    parquet.write_table(table, file, row_group_size=2, compression=compression)
    async with started(tmp_path, **COLUMNS) as target:
        assert (await target.verify(ANNA.identities)).count == 2
        assert (await target.delete(ANNA.identities)).count == 2
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
    left = parquet.read_table(file)
    assert left.to_pylist() == [
        {"mail": BERT.email, "n": 2},
        {"mail": None, "n": 3},
        {"mail": "c@example.org", "n": None},
    ]
    assert left.schema.metadata[b"owner"] == b"team"
    assert left.schema.field("n").type == pa.int16()
    assert ANNA.email.encode() not in file.read_bytes()


async def test_parquet_finds_identities_in_other_columns_nested_ones_included(tmp_path: Path) -> None:
    table = pa.table({"mail": [BERT.email], "more": [{"to": [ANNA.email]}]})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    async with started(tmp_path, **COLUMNS) as target:
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.PRESENT


async def test_E28_dictionaries_within_columns_hold_on_to_nobody(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    names = pa.array([ANNA.customer_id, BERT.customer_id]).dictionary_encode()
    ends = pa.array([0, 1, 2], pa.int32())
    nested = {
        "struct": pa.StructArray.from_arrays([names], ["id"]),
        "list": pa.ListArray.from_arrays(ends, names),
        "map": pa.MapArray.from_arrays(ends, pa.array(["a", "b"]), names),
        "deep": pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays([names], ["id"])),
    }
    table = pa.table({"mail": [ANNA.email, BERT.email], "n": [1, 2], **nested})
    for name in nested:
        left = pa.table({"mail": [BERT.email], "n": [2], name: nested[name].slice(1)})
        parquet.write_table(left, file, compression="zstd")
        with file.open("rb") as stream:
            assert ANNA.customer_id in set(texts_of_parquet(stream)), name  # as another program leaves it
    parquet.write_table(table, file, compression="none")
    async with started(tmp_path, **COLUMNS) as target:
        assert (await target.delete(ANNA.identities)).count == 1
        assert ANNA.customer_id.encode() not in file.read_bytes()
        assert parquet.read_table(file).to_pylist() == table.slice(1).to_pylist()
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_a_parquet_file_with_a_column_twice_is_a_fault(tmp_path: Path) -> None:
    mails = pa.array([ANNA.email])
    parquet.write_table(pa.Table.from_arrays([mails, mails], names=["mail", "mail"]), tmp_path / "a.parquet")
    async with started(tmp_path, **COLUMNS) as target:
        assert (await target.delete(ANNA.identities)).fault is TargetFault.MISCONFIGURED
        assert (await target.verify(ANNA.identities)).fault is TargetFault.MISCONFIGURED


async def test_a_parquet_file_without_rows_is_nobodys(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"mail": pa.array([], pa.string())}), tmp_path / "a.parquet")
    async with started(tmp_path, **COLUMNS) as target:
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_what_is_no_parquet_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not at all")
    async with started(tmp_path, **COLUMNS) as target:
        assert (await target.delete(ANNA.identities)).fault is TargetFault.UNEXPECTED_BODY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"remove": [], "datasets": []}, "name remove or datasets"),
        ({"folder": "relative"}, "absolute"),
        ({"remove": ["all/*"]}, "names no identity"),
        (
            {"datasets": [{"files": "*", "format": "jsonl", "match": [{"field": "mail", "value": "{email}"}]}]},
            "Pointers",
        ),
        ({"datasets": [{"files": "*", "format": "csv", "match": [{"field": "", "value": "{email}"}]}]}, "columns"),
        ({"marker": "a/b"}, "pattern"),
        ({"remove": ["/etc/{email}"]}, "below the folder"),
        ({"remove": ["by-mail/../{email}"]}, "below the folder"),
        ({"datasets": [{"files": "./*.jsonl", "format": "jsonl", "match": BY_MAIL}]}, "below the folder"),
    ],
)
def test_a_form_that_can_not_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FilesSettings.model_validate(MAPPING | {"folder": "/srv/archive"} | changes)


async def test_E28_an_identity_at_the_beginning_of_a_line_of_a_text_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(BERT.email, text=f"ask my wife:\n{ANNA.email}"))
    async with started(tmp_path, **LINES) as target:
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.PRESENT


async def test_E28_what_a_dead_writer_left_goes_also_where_its_file_is_no_more(tmp_path: Path) -> None:
    left = tmp_path / "old" / ".a.jsonl.0123abcd.sidecar-rewriting"
    left.parent.mkdir()
    left.write_bytes(line(ANNA.email))
    async with started(tmp_path, **LINES) as target:
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
    assert not left.exists()
