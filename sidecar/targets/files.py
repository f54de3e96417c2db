"""A folder to erase from: files by their names, records out of data sets. Blocks in a thread of its own.

Looking again reads every data set anew, and searches bytes and names for the identities, whatever the patterns say.
"""

from __future__ import annotations

import gzip
import logging
import secrets
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.byte_search import ByteSearch, count_in_stream, count_in_texts, search_of
from sidecar.targets.call_threads import CallThreads
from sidecar.targets.described import Described
from sidecar.targets.files_settings import DataSet, FilesSettings, Format
from sidecar.targets.folder import expression_of, leftovers, matching, names_found, remove, remove_empty, walk
from sidecar.targets.glob import path_expression
from sidecar.targets.record_sets import (
    ColumnMissing,
    RecordsUnreadable,
    Wanted,
    compressing,
    opened,
    sift_lines,
    wanted_of,
)
from sidecar.targets.rewriting import FileChanged, NotOurs, clear_leftovers, reading, rewrite
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)
from sidecar.targets.template import Values, ValueUnusable

_log = logging.getLogger("sidecar.targets")
_FAULTS: Final[tuple[tuple[type[Exception], TargetFault], ...]] = (
    (FileChanged, TargetFault.BUSY),
    (NotOurs, TargetFault.MISCONFIGURED),
    (ColumnMissing, TargetFault.MISCONFIGURED),
    (RecordsUnreadable, TargetFault.UNEXPECTED_BODY),
    (gzip.BadGzipFile, TargetFault.UNEXPECTED_BODY),
    (EOFError, TargetFault.UNEXPECTED_BODY),
    (zlib.error, TargetFault.UNEXPECTED_BODY),
    (PermissionError, TargetFault.NOT_PERMITTED),
    (FileNotFoundError, TargetFault.UNREACHABLE),
    (NotADirectoryError, TargetFault.UNREACHABLE),
    (OSError, TargetFault.TARGET_ERROR),
)
_EXPECTED: Final = tuple(kind for kind, _ in _FAULTS)


class ParquetReader(Protocol):
    """What of ``sidecar.targets.parquet_sets`` is needed: it is there only where pyarrow is."""

    def sift_parquet(self, source: BinaryIO, sink: BinaryIO | None, wanted: Sequence[Wanted]) -> int: ...

    def texts_of_parquet(self, source: BinaryIO) -> Iterator[str]: ...


class FilesTarget(Described[FilesSettings]):
    """Implements ``Target``. ``parquet`` is needed for data sets of that format only."""

    def __init__(self, settings: FilesSettings, parquet: ParquetReader | None, where: str) -> None:
        super().__init__(settings)
        self._parquet = parquet
        self._where = where
        self._threads = CallThreads(settings.name, settings.concurrency)

    async def start(self) -> None:
        self._threads.start()
        try:
            await self._threads.run(self._check)
        except (FileNotFoundError, NotADirectoryError):
            _log.warning("target %s is unreachable: its configuration is checked before its first call", self.name)
        except _EXPECTED as error:
            self._threads.stop()
            remedy = "Name a folder that the sidecar can write to, with no links in it"
            message = f"the folder can't be erased from ({_fault_of(error).value})"
            raise ConfigError((Problem(f"{self._where}.folder", message, remedy),)) from None

    async def stop(self) -> None:
        self._threads.stop()

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        values: Values = {identity.type: identity.value for identity in identities}
        try:
            removed = await self._threads.run(lambda: self._delete(values))
        except ValueUnusable:
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.IDENTITY_UNUSABLE)
        except _EXPECTED as error:
            return DeleteResult(DeleteStatus.FAILED, fault=_fault_of(error))
        return DeleteResult(DeleteStatus.DELETED if removed else DeleteStatus.NO_DATA, removed)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        values: Values = {identity.type: identity.value for identity in identities}
        try:
            left = await self._threads.run(lambda: self._count(values))
        except ValueUnusable:
            return VerifyResult(VerifyStatus.IMPOSSIBLE, fault=TargetFault.IDENTITY_UNUSABLE)
        except _EXPECTED as error:
            return VerifyResult(VerifyStatus.FAILED, fault=_fault_of(error))
        return VerifyResult(VerifyStatus.PRESENT if left else VerifyStatus.GONE, left)

    def _check(self) -> None:
        self._check_marker()
        for _ in walk(self._settings.folder):
            continue
        probe = self._settings.folder / f".sidecar-check-{secrets.token_hex(4)}"
        probe.touch(exist_ok=False)
        probe.unlink()

    def _check_marker(self) -> None:
        folder, marker = self._settings.folder, self._settings.marker
        if not folder.is_dir() or (marker is not None and not (folder / marker).is_file()):
            raise FileNotFoundError

    def _delete(self, values: Values) -> int:
        self._check_marker()
        expressions = [expression_of(glob, values) for glob in self._settings.remove]
        removed = 0
        for path, dataset in self._data_files():
            removed += self._take_out(path, dataset, wanted_of(dataset, values))
        for expression in expressions:
            for path in matching(self._settings.folder, expression):
                remove(path, self._settings.folder, self._used(values).values())
                removed += 1
        if expressions:
            self._remove_empty(self._used(values))
        return removed

    def _remove_empty(self, used: Values) -> None:
        names, theirs = set(used.values()), search_of(used)

        def bears(name: str) -> bool:
            written = name.encode("utf-8", "surrogateescape")
            return name in names or (theirs is not None and theirs.found_in(written))

        remove_empty(self._settings.folder, bears)

    def _take_out(self, path: Path, dataset: DataSet, wanted: Sequence[Wanted]) -> int:
        clear_leftovers(path.parent)
        with reading(path) as file:
            if not self._sift(path, file, None, dataset, wanted):
                return 0
        return rewrite(path, lambda old, new: self._sift(path, old, new, dataset, wanted))

    def _sift(
        self, path: Path, source: BinaryIO, sink: BinaryIO | None, dataset: DataSet, wanted: Sequence[Wanted]
    ) -> int:
        if dataset.format is Format.PARQUET:
            return self._reader().sift_parquet(source, sink, wanted)
        if sink is None:
            return sift_lines(opened(path, source), None, dataset, wanted)
        with compressing(path, sink) as writer:
            return sift_lines(opened(path, source), writer, dataset, wanted)

    def _count(self, values: Values) -> int:
        self._check_marker()
        expressions = [expression_of(glob, values) for glob in self._settings.remove]
        folder = self._settings.folder
        if leftovers(folder):
            raise FileChanged("a file is being rewritten")
        left = sum(len(matching(folder, expression)) for expression in expressions)
        theirs = search_of(self._used(values))
        if theirs is not None:
            left += names_found(folder, theirs)
        for path, dataset in self._data_files():
            left += self._count_in(path, dataset, wanted_of(dataset, values), theirs)
        return left

    def _count_in(self, path: Path, dataset: DataSet, wanted: Sequence[Wanted], theirs: ByteSearch | None) -> int:
        with reading(path) as file:
            records = self._sift(path, file, None, dataset, wanted)
        if theirs is None or records:
            return records
        with reading(path) as file:
            found = count_in_stream(opened(path, file), theirs)
        if dataset.format is Format.PARQUET and not found:
            with reading(path) as file:
                found = count_in_texts(self._reader().texts_of_parquet(file), theirs)
        return found

    def _data_files(self) -> Iterator[tuple[Path, DataSet]]:
        for dataset in self._settings.datasets:
            for path in matching(self._settings.folder, path_expression([(dataset.files, "")])):
                yield path, dataset

    def _used(self, values: Values) -> Values:
        return {kind: values[kind] for kind in self.required}

    def _reader(self) -> ParquetReader:
        if self._parquet is None:
            raise RuntimeError("data sets of parquet need a reader")
        return self._parquet


def _fault_of(error: BaseException) -> TargetFault:
    return next(fault for kind, fault in _FAULTS if isinstance(error, kind))
