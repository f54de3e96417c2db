#!/usr/bin/env python3
"""Verifies audit logs and export bundles of the privacy sidecar without the sidecar.

    verify_audit.py log FOLDER --key VKEY [--checkpoint FILE]... [--master-key FILE]
    verify_audit.py bundle FOLDER_OR_TAR --key VKEY [--checkpoint FILE]...

Needs Python 3.11 and the package ``cryptography``; one file, to be read before it is believed. It shares no code with
the sidecar. The formats are those of docs/audit-format.md: RFC 6962 trees, C2SP signed notes, RFC 8785 JSON.

VKEY is the log's first public key, noted when the log was begun; ``VKEY@SIZE`` believes it up to so many records only.
FILE is a checkpoint that was kept elsewhere (an anchor): the log or bundle must agree with each. Only such checkpoints
show that nothing was cut off the end; without one this says so.

Exit code 0: all that was looked at holds. 1: something does not. 2: usage.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import io
import json
import re
import sys
import tarfile
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

ZEROS = "0" * 64
PART = {"facts": b"sidecar-audit/2/facts\0", "links": b"sidecar-audit/2/links\0"}
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
READS = (OSError, EOFError, tarfile.TarError)


class Broken(Exception):
    """What was read does not hold. Says where and how."""


def fail(where: str, why: str) -> NoReturn:
    raise Broken(f"{where}: {why}")


# --- hashes and trees (RFC 6962, section 2.1) ---------------------------------------------------------------------


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha(b"\1" + left + right)


class Tree:
    """Grows leaf by leaf; keeps the complete subtrees only, each with its height."""

    def __init__(self) -> None:
        self.size = 0
        self.stack: list[tuple[int, bytes]] = []

    def add(self, digest: bytes, height: int = 0) -> None:
        if self.size % (1 << height):
            raise Broken("a subtree stands where none of its size can")
        self.size += 1 << height
        self.stack.append((height, digest))
        while len(self.stack) > 1 and self.stack[-1][0] == self.stack[-2][0]:
            (_, right), (tall, left) = self.stack.pop(), self.stack.pop()
            self.stack.append((tall + 1, node(left, right)))

    def peaks(self) -> list[str]:
        return [digest.hex() for _, digest in self.stack]

    def root(self) -> bytes:
        if not self.stack:
            return sha(b"")
        *rest, (_, digest) = self.stack
        for _, left in reversed(rest):
            digest = node(left, digest)
        return digest


def root_over(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Return the root that a path leads to, by the recursion of section 2.1.1."""
    if size == 1:
        if path:
            raise Broken("the inclusion proof is too long")
        return leaf
    if not path:
        raise Broken("the inclusion proof is too short")
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return node(root_over(index, left, leaf, path[:-1]), path[-1])
    return node(path[-1], root_over(index - left, size - left, leaf, path[:-1]))


# --- signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) ------------------------------------------------


class Keys:
    """The log's public keys: the one that was given, and those that it introduced."""

    def __init__(self, given: list[str]) -> None:
        self.known: dict[tuple[str, bytes], tuple[Ed25519PublicKey, int | None]] = {}
        self.names: set[str] = set()
        for text in given:
            vkey, _, until = text.rpartition("@") if re.search(r"@[0-9]+$", text) else (text, "", "")
            self.learn(vkey, int(until) if until else None)

    def learn(self, vkey: str, until: int | None = None) -> None:
        match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", vkey)
        raw = decoded(match[3], "a key") if match else b""
        if not match or len(raw) != 33 or raw[0] != 1:
            raise Broken("a key is not an Ed25519 vkey: name+id+base64")
        key_id = sha(match[1].encode() + b"\n" + raw)[:4]
        if key_id.hex() != match[2]:
            raise Broken("the id of a key is not that of its name and bytes")
        self.names.add(vkey)
        self.known.setdefault((match[1], key_id), (Ed25519PublicKey.from_public_bytes(raw[1:]), until))

    def check(self, text: str, signatures: list[str], size: int, where: str) -> bool:
        """At least one signature of a known key, and none of a known key that is wrong.

        Return whether one is of a key that is believed without end.
        """
        held, whole = 0, False
        for line in signatures:
            name, _, made = line.removeprefix("— ").partition(" ")
            raw = decoded(made, where)
            if (name, raw[:4]) not in self.known:
                continue
            key, until = self.known[name, raw[:4]]
            if until is not None and size > until:
                continue
            try:
                key.verify(raw[4:], text.encode())
            except InvalidSignature:
                fail(where, "unsigned: a signature of a known key is wrong")
            held += 1
            whole = whole or until is None
        if not held:
            fail(where, "unsigned: no key of the log signed it")
        return whole

    def strangers(self, signatures: list[str]) -> list[str]:
        """Return the names under signatures of anybody else."""
        parts = (line.removeprefix("— ").partition(" ") for line in signatures)
        return [name for name, _, made in parts if (name, decoded(made, name)[:4]) not in self.known]


class Checkpoint:
    """A signed note with the head of the log's tree."""

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        self.text, self.signatures = split_note(data, where)
        lines = self.text.split("\n")
        if len(lines) < 4 or not re.fullmatch(r"0|[1-9][0-9]{0,17}", lines[1]):
            fail(where, "malformed: no checkpoint")
        self.origin, self.size, self.root = lines[0], int(lines[1]), decoded(lines[2], where)
        self.extensions = lines[3:-1]

    @property
    def introduced(self) -> list[str]:
        return [line[4:] for line in self.extensions if line.startswith("key ")]

    def believed_by(self, keys: Keys) -> Checkpoint:
        """A stolen key introduces no other: at which size it says so is for the thief to choose."""
        if keys.check(self.text, self.signatures, self.size, self.where):
            for vkey in self.introduced:
                keys.learn(vkey)
        return self


def split_note(data: bytes, where: str) -> tuple[str, list[str]]:
    try:
        text, blank, signatures = data.decode().rpartition("\n\n")
    except UnicodeDecodeError:
        fail(where, "malformed: no text")
    lines = signatures.removesuffix("\n").split("\n")
    if not blank or not signatures.endswith("\n") or not all(line.startswith("— ") for line in lines):
        fail(where, "malformed: no signed note")
    return text + "\n", lines


def decoded(text: str, where: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        fail(where, "malformed: no base64")


def parsed(data: bytes | str, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        fail(where, "malformed: no JSON")


def canonical(value: Any) -> bytes:
    """RFC 8785 for what records hold: objects, lists, text, whole numbers. Keys in the order of UTF-16."""
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be", "surrogatepass"))
        return b"{%b}" % b",".join(canonical(name) + b":" + canonical(one) for name, one in items)
    if isinstance(value, list):
        return b"[%b]" % b",".join(canonical(one) for one in value)
    if isinstance(value, float):
        raise Broken("a number with a fraction, which no record holds")
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


# --- a log in its folder ------------------------------------------------------------------------------------------


class Log:
    """Walks the segments in order. ``say`` is given every fact that is opened, when there is a key to open it."""

    def __init__(self, folder: Path, keys: Keys, expected: list[Checkpoint], master: bytes | None) -> None:
        self.folder, self.keys, self.master = folder, keys, master
        self.tree, self.origin, self.prev, self.time, self.named = Tree(), "", ZEROS, "", ""
        self.checkpoints = self.signed = self.dropped = self.erased = self.anchored = 0
        self.expected = sorted(expected, key=lambda one: one.size)
        self.passed: Checkpoint | None = None
        self.stubs: list[tuple[str, list[str], int, str]] = []
        self.pairs: dict[str, int] = {}
        self.odd = 0

    def walk(self) -> None:
        names = [path.name for path in self.folder.iterdir()]
        numbers = sorted({int(one[:8]) for one in names if re.fullmatch(r"[0-9]{8}\.(segment|stub)", one)})
        if not numbers:
            raise Broken("no segment lies there: the log was deleted, or this is not its folder")
        if numbers != list(range(len(numbers))):
            missing = next(at for at, number in enumerate(numbers) if at != number)
            fail(f"segment {missing}", "deleted: neither the segment nor its stub is there")
        for number in numbers:
            path = self.folder / f"{number:08d}.segment"
            if path.exists():
                self.segment(number, path)
            else:
                self.stub(number, (self.folder / f"{number:08d}.stub").read_bytes())
        for stub in self.stubs:  # at the end, as its key may have been introduced later
            self.keys.check(*stub)
        self.meet(final=True)
        if (self.folder / "checkpoint").exists():
            newest = Checkpoint((self.folder / "checkpoint").read_bytes(), "file checkpoint").believed_by(self.keys)
            if newest.size > self.tree.size:
                fail("file checkpoint", f"cut: it speaks of {newest.size} records, the log has {self.tree.size}")

    def segment(self, number: int, path: Path) -> None:
        opener: Opener | None = None
        with path.open("rb") as lines:
            if not lines.peek(1):
                fail(f"segment {number}", "torn: it is empty")
            for at, line in enumerate(lines, 1):
                where = f"segment {number}, line {at} (record {self.tree.size})"
                if not line.endswith(b"\n"):
                    fail(where, "torn: the line does not end (if the sidecar is writing: run it again)")
                kind, *columns = line[:-1].split(b"\t")
                if (kind == b"segment") != (at == 1):
                    fail(where, "malformed: a segment begins with one line that says so")
                if kind == b"segment" and len(columns) == 1:
                    if canonical(parsed(columns[0], where)) != columns[0]:
                        fail(where, "edited: the line that opens the segment is not in canonical form")
                    self.opening(number, parsed(columns[0], where), where)
                    opener = Opener.of(self.folder, number, self.tree.size, self.origin, self.master)
                elif kind == b"checkpoint" and len(columns) == 1:
                    self.checkpoint(Checkpoint(decoded(columns[0].decode("latin-1"), where), where))
                elif kind == b"record" and len(columns) == 4:
                    self.record(number, columns, opener, where)
                else:
                    fail(where, "malformed: neither record nor checkpoint")

    def opening(self, number: int, head: Any, where: str) -> None:
        self.origin = self.origin or str(head.get("log"))
        said = [head.get(name) for name in ("log", "segment", "first", "prev", "peaks", "time", "v")]
        if said != [self.origin, number, self.tree.size, self.prev, self.tree.peaks(), self.time, 2]:
            fail(where, "edited: the segment does not continue the one before")
        self.named = str(head.get("key"))

    def record(self, number: int, columns: list[bytes], opener: Opener | None, where: str) -> None:
        digest, leaf, facts, links = columns
        if sha(b"\0" + leaf).hex().encode() != digest:
            fail(where, "edited: the leaf does not match its hash")
        outer = parsed(leaf, where)
        head = outer["head"]
        if canonical(outer) != leaf:
            fail(where, "edited: the leaf is not in canonical form")
        if head["seals"] != [sha(facts).hex(), sha(links).hex()]:
            fail(where, "edited: a sealed part does not match its hash")
        if head["seq"] != self.tree.size:
            kind = "deleted or reordered" if head["seq"] > self.tree.size else "inserted, duplicated or reordered"
            fail(where, f"{kind}: record {head['seq']} stands where {self.tree.size} should")
        if (head["log"], head["segment"], head["prev"]) != (self.origin, number, self.prev) or head["time"] < self.time:
            fail(where, "edited: the record does not continue the one before")
        if opener:
            self.opened(opener.open(outer["commitments"], facts, links, head, where))
        self.prev, self.time = digest.decode(), head["time"]
        self.tree.add(bytes.fromhex(self.prev))
        self.meet()

    def opened(self, parts: tuple[Any, Any]) -> None:
        facts, links = parts
        self.erased += links is None
        exchange = str(facts.get("exchange_id", ""))
        if facts.get("phase") == "intent":
            self.pairs[exchange] = self.pairs.get(exchange, 0) + 1
        elif facts.get("phase") == "outcome":
            self.odd += self.pairs.pop(exchange, 0) != 1

    def checkpoint(self, one: Checkpoint) -> None:
        # Whoever begins at a key of later knows it before it is introduced, and not the key that introduces it.
        begins_late = bool(one.introduced) and self.keys.names.issuperset(one.introduced)
        one.believed_by(self.keys)
        if (one.origin, one.size) != (self.origin, self.tree.size):
            fail(one.where, "reordered: the checkpoint is not of this place")
        if one.root != self.tree.root():
            fail(one.where, "rewritten: the records before are not those that were signed")
        if self.named not in self.keys.names:
            fail(one.where, "edited: the segment's first line names a key that is not the log's")
        if self.checkpoints and one.size == self.signed:
            fail(one.where, "duplicated: there is a checkpoint over so many records already")
        self.keys.check(one.text, one.signatures, one.size, one.where)  # by the keys that it introduced, too
        if self.keys.strangers(one.signatures) not in ([], [one.origin] if begins_late else []):
            fail(one.where, "edited: it bears a signature that is none of the log's")
        self.checkpoints, self.signed = self.checkpoints + 1, self.tree.size

    def stub(self, number: int, data: bytes) -> None:
        where = f"stub of segment {number}"
        text, signatures = split_note(data, where)
        title, _, rest = text.partition("\n")
        stub = parsed(rest, where) if title == "sidecar-audit/2/stub" else fail(where, "malformed: no stub")
        self.origin = self.origin or str(stub["log"])
        if (stub["log"], stub["segment"], stub["first"]) != (self.origin, number, self.tree.size):
            fail(where, "edited: the stub does not continue what is before it")
        for one in stub["introductions"]:
            Checkpoint(decoded(one, where), where).believed_by(self.keys)
        self.stubs.append((text, signatures, stub["first"] + stub["count"], where))
        for height, digest in stub["nodes"]:
            self.tree.add(bytes.fromhex(digest), height)
        if self.tree.size != stub["first"] + stub["count"]:
            fail(where, "edited: its subtrees are not those of its records")
        self.prev, self.time, self.dropped = stub["prev"], stub["until"], self.dropped + stub["count"]
        self.meet()

    def meet(self, final: bool = False) -> None:
        """Compare with the checkpoints from elsewhere that are reached, in the order of their sizes."""
        while self.expected and (self.expected[0].size <= self.tree.size or final):
            one = self.expected.pop(0)
            one.believed_by(self.keys)
            if one.origin != self.origin:
                fail(one.where, "it is another log's")
            if one.size > self.tree.size:
                fail(one.where, f"cut: it speaks of {one.size} records, the log has {self.tree.size}")
            if one.size < self.tree.size:
                self.passed = one  # it lies within a dropped segment: a later one must stand for it
                continue
            if one.root != self.tree.root():
                fail(one.where, f"rewritten: the first {one.size} records are not those that it was made over")
            self.anchored = one.size
        if final and self.passed and self.passed.size > self.anchored:
            why = "only stubs are left of its records, and no later checkpoint from elsewhere stands for them"
            fail(self.passed.where, f"not shown: {why}")


class Opener:
    """Opens the parts of a segment's records, with the master key of a ``local`` key provider."""

    def __init__(self, facts: bytes, links: list[tuple[str, bytes]], first: int, bound: bytes) -> None:
        self.facts, self.links, self.first, self.bound = facts, dict(links), first, bound

    @classmethod
    def of(cls, folder: Path, number: int, first: int, origin: str, master: bytes | None) -> Opener | None:
        if master is None:
            return None
        where = f"key file of segment {number}"
        file = parsed((folder / f"{number:08d}.key").read_bytes(), where)
        place = b"\0".join((origin.encode(), str(number).encode()))
        wrapping = HKDFExpand(SHA256(), 32, b"audit-wrapping/1").derive(master)
        inner = unsealed(wrapping, decoded(file["wrapped"], where), b"sidecar-audit/2/wrap\0" + place, where)
        keys = parsed(unsealed(inner, decoded(file["sealed"], where), b"sidecar-audit/2/keys\0" + place, where), where)
        links = [(path, bytes.fromhex(key)) for path, key in keys["links"]]
        return cls(bytes.fromhex(keys["facts"]), links, first, place)

    def open(self, promised: list[str], facts: bytes, links: bytes, head: Any, where: str) -> tuple[Any, Any]:
        key = self.leaf_key(head["seq"] - self.first)
        opened = [self.part("facts", self.facts, facts, promised[0], head, where)]
        opened.append(self.part("links", key, links, promised[1], head, where) if key else None)
        return opened[0], opened[1]

    def part(self, name: str, key: bytes, column: bytes, promised: str, head: Any, where: str) -> Any:
        bound = PART[name] + self.bound + b"\0" + str(head["seq"]).encode()
        plain = unsealed(key, decoded(column.decode("latin-1"), where), bound, where)
        if sha(PART[name] + plain).hex() != promised:
            fail(where, f"edited: the {name} are not what the leaf commits to")
        return parsed(plain[16:], where)

    def leaf_key(self, index: int) -> bytes | None:
        """Walk down from whatever node is left; None where the way was cut, because the links were erased."""
        path = f"{index:020b}"
        for length in range(len(path) + 1):
            key = self.links.get(path[:length])
            if key is not None:
                for bit in path[length:]:
                    key = hmac.digest(key, bytes((int(bit),)), "sha256")
                return key
        return None


def unsealed(key: bytes, sealed: bytes, bound: bytes, where: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
    except (InvalidTag, ValueError):
        fail(where, "unreadable: it does not open with this key")


# --- an export bundle ---------------------------------------------------------------------------------------------


class Bundle:
    """Records that were taken out of a log, each with its proof."""

    def __init__(self, read: Callable[[str], bytes], keys: Keys, expected: list[Checkpoint]) -> None:
        self.read, self.keys, self.expected = read, keys, expected
        self.shown: dict[int, Any] = {}
        self.erased = self.hidden = 0

    def check(self) -> Any:
        manifest = parsed(self.read("manifest.json"), "manifest.json")
        if manifest.get("kind") != "sidecar-audit/2/export":
            fail("manifest.json", "malformed: no export of this version")
        for name, digest in manifest["files"].items():
            if sha(self.read(name)).hex() != digest:
                fail(name, "edited: the file is not the one that the manifest names")
        for at, data in enumerate(manifest["introductions"]):
            Checkpoint(decoded(data, "manifest.json"), f"introduction {at}").believed_by(self.keys)
        head = Checkpoint(self.read("checkpoint"), "checkpoint").believed_by(self.keys)
        if (head.origin, head.size) != (manifest["log"], manifest["size"]):
            fail("checkpoint", "edited: it is not the one that the manifest speaks of")
        for at, row in self.rows("records.jsonl"):
            self.shown[row["seq"]] = self.record(row, head, f"records.jsonl, line {at}")
            self.erased += row["links"] is None
        if len(self.shown) != manifest["records"]:
            fail("records.jsonl", f"{len(self.shown)} records, where the manifest says {manifest['records']}")
        for one in self.expected:
            self.meet(one, head)
        if manifest.get("range"):
            self.complete(manifest, head)
        return manifest

    def rows(self, name: str) -> Iterator[tuple[int, Any]]:
        for at, line in enumerate(io.BytesIO(self.read(name)), 1):
            yield at, parsed(line, f"{name}, line {at}")

    def record(self, row: Any, head: Checkpoint, where: str) -> Any:
        """A record is what its leaf commits to, and the leaf is in the tree of the checkpoint."""
        outer = parsed(row["leaf"], where)
        if (outer["head"]["seq"], outer["head"]["log"]) != (row["seq"], head.origin):
            fail(where, "edited: the leaf is not of this record")
        for name, promised, salt in zip(PART, outer["commitments"], row["salts"], strict=True):
            self.part(name, row[name], promised, salt, where)
        if not 0 <= row["seq"] < head.size:
            fail(where, "the checkpoint does not reach so far")
        path = [decoded(one, where) for one in row["proof"]]
        if root_over(row["seq"], head.size, sha(b"\0" + row["leaf"].encode()), path) != head.root:
            fail(where, "rewritten: the proof does not lead to the checkpoint")
        return row

    def part(self, name: str, part: Any, promised: str, salt: str | None, where: str) -> None:
        if part is None:
            if name == "facts":
                fail(where, "the facts are missing")
            return
        if salt is None:
            fail(where, f"edited: the salt of the {name} is missing, so they could say anything")
        if sha(PART[name] + bytes.fromhex(salt) + canonical(part)).hex() != promised:
            fail(where, f"edited: the {name} are not what the leaf commits to")

    def complete(self, manifest: Any, head: Checkpoint) -> None:
        """Every record of the time is there, and those that are not shown have none of the pseudonyms asked for.

        The last leaf is proven to be in the tree; each names the hash of the one before, so none was left out.
        """
        first, end = manifest["range"]
        question = manifest["question"]
        asked, prev, expected = answerable(question), "", first
        times: list[str] = []
        for at, row in self.rows("range.jsonl"):
            where = f"range.jsonl, line {at}"
            outer = parsed(row["leaf"], where)
            if outer["head"]["seq"] != expected or (prev and outer["head"]["prev"] != prev):
                fail(where, "deleted: a record of the range is missing")
            times.append(outer["head"]["time"])
            in_time = question.get("since", "") <= times[-1] < question.get("until", "9999")
            self.in_range(row, outer, in_time, asked, where)
            prev, expected = sha(b"\0" + row["leaf"].encode()).hex(), expected + 1
        if expected != end or not times:
            fail("range.jsonl", f"ends before record {end}, where the manifest says that it should")
        path = [decoded(one, "range.jsonl") for one in manifest["range_proof"]]
        if root_over(end - 1, head.size, bytes.fromhex(prev), path) != head.root:
            fail("range.jsonl", "rewritten: the range does not lead to the checkpoint")
        if end < head.size and not ("until" in question and times[-1] >= question["until"]):
            fail("range.jsonl", "left out: the range ends before the time that was asked for")
        print(f"completeness: whole (every record of the time is among {end - first} that were looked at)")
        if first and not ("since" in question and times[0] < question["since"]):
            print(f"  but for records before {first}: they are not in the log any more, or were not looked at")
        print(f"  question: {canonical(question).decode()}")
        if self.hidden:
            print(f"  but for {self.hidden} records whose links were erased: nobody can tell any more")

    def in_range(self, row: Any, outer: Any, in_time: bool, asked: set[str], where: str) -> None:
        seq = outer["head"]["seq"]
        if seq in self.shown:
            if self.shown[seq]["leaf"] != row["leaf"]:
                fail(where, "edited: the leaf is another than among the records")
            return
        self.part("links", row["links"], outer["commitments"][1], row["salt"], where)
        if row["links"] is None:
            self.hidden += in_time
        elif in_time and asked & set(pseudonyms(row["links"])):
            fail(where, f"left out: record {seq} was asked for and is not among the records")

    def meet(self, one: Checkpoint, head: Checkpoint) -> None:
        one.believed_by(self.keys)
        if (one.origin, one.size) != (head.origin, head.size):
            print(f"{one.where}: of another log or size, so it says nothing about this bundle")
        elif one.root != head.root:
            fail(one.where, "rewritten: another log of this size was signed")


def answerable(question: Any) -> set[str]:
    """Return whom a question is about. That all of it is there can be shown of people and times alone."""
    asked = set(question.get("pseudonyms") or ())
    times = [question[name] for name in ("since", "until") if name in question]
    if not asked or set(question) - {"pseudonyms", "since", "until"} or not all(map(TIME.fullmatch, times)):
        fail("manifest.json", "of this question nobody can show that nothing was left out")
    return asked


def pseudonyms(links: Any) -> Iterator[str]:
    for value in links.values():
        yield from value if isinstance(value, list) else [str(value)]


def files_of(path: Path) -> Callable[[str], bytes]:
    """Return what reads a file of the bundle by name, from a folder or a tar."""
    if path.is_dir():
        return lambda name: (path / Path(name).name).read_bytes()
    with tarfile.open(path) as archive:
        held = {Path(one.name).name: archive.extractfile(one) for one in archive if one.isfile()}
        data = {name: stream.read() for name, stream in held.items() if stream is not None}

    def read(name: str) -> bytes:
        if name not in data:
            raise Broken(f"{name}: is not in the bundle")
        return data[name]

    return read


# --- the command --------------------------------------------------------------------------------------------------


def verify_log(args: argparse.Namespace, keys: Keys, expected: list[Checkpoint]) -> None:
    master: bytes | None = args.master_key
    log = Log(args.path, keys, expected, master)
    log.walk()
    print(f"integrity: intact ({log.tree.size} records, {log.dropped} of them dropped; {log.checkpoints} checkpoints)")
    print(f"log: {log.origin}")
    print(f"  signed up to record {log.signed}; {log.tree.size - log.signed} records behind the last checkpoint")
    print(f"  anchored: {log.anchored}; unanchored tail: {log.tree.size - log.anchored}")
    if not log.anchored:
        print(
            "  no checkpoint from elsewhere was met: a cut tail or a log rewritten by a holder of its key is not seen"
        )
    if master is None:
        print("completeness: not looked at (needs --master-key: what is sealed can't be read)")
        return
    verdict = "complete" if not log.pairs and not log.odd else "INCOMPLETE"
    print(f"completeness: {verdict}")
    print(f"  {sum(log.pairs.values())} intents without outcome, {log.odd} outcomes without one intent")
    print(f"  links of {log.erased} records are erased")


def verify_bundle(args: argparse.Namespace, keys: Keys, expected: list[Checkpoint]) -> None:
    bundle = Bundle(files_of(args.path), keys, expected)
    manifest = bundle.check()
    print(f"integrity: intact ({len(bundle.shown)} records of log {manifest['log']}, proven by its {manifest['size']})")
    print(f"  reason of the export: {manifest['reason']}")
    if bundle.erased:
        print(f"  links of {bundle.erased} records are erased")
    if not manifest.get("range"):
        print("completeness: not shown (the export was made without --prove-complete)")


def secret(path: str) -> bytes:
    """Return the key in a file. What is wrong with it is usage: it says nothing of the log."""
    try:
        found = bytes.fromhex(Path(path).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        found = b""
    if len(found) != 32:
        raise argparse.ArgumentTypeError(f"{path} is no readable file of 64 hex digits")
    return found


def vkey_of(text: str) -> str:
    try:
        Keys([text])
    except Broken as broken:
        raise argparse.ArgumentTypeError(str(broken)) from None
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies audit logs and export bundles of the privacy sidecar.")
    parser.add_argument("what", choices=["log", "bundle"])
    parser.add_argument("path", type=Path)
    parser.add_argument(
        "--key", action="append", required=True, type=vkey_of, metavar="VKEY[@SIZE]", help="the log's first key"
    )
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, metavar="FILE")
    parser.add_argument("--master-key", type=secret, metavar="FILE", help="64 hex digits; opens what is sealed")
    args = parser.parse_args()
    try:
        keys = Keys(args.key)
        expected = [Checkpoint(path.read_bytes(), f"checkpoint {path}") for path in args.checkpoint]
        (verify_log if args.what == "log" else verify_bundle)(args, keys, expected)
    except Broken as broken:
        print("integrity: BROKEN")
        print(f"  {broken}")
        return 1
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        print("integrity: BROKEN")
        print(f"  malformed: something is missing, or of another kind than it must be ({type(error).__name__})")
        return 1
    except READS as error:
        print(f"{args.path}: can't be read ({type(error).__name__}: {error})", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
