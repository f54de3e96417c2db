"""National identity, insurance and tax numbers of persons and sole traders, checked by python-stdnum (D7).

A checksum alone is weak evidence (D8): of random ten-digit numbers, half pass the check of some country. What lifts it
is a letter in the right place, the country's own grouping, or a word beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Protocol

from stdnum.exceptions import ValidationError

from sidecar.detection.scores import CHECKED_CONTEXT, CHECKSUM, GRAMMAR, STRONG_GRAMMAR


class _Check(Protocol):
    def validate(self, number: str) -> str: ...


@dataclass(frozen=True, slots=True)
class NationalId:
    """One country's number: the compact shape (upper case, no separators) and how it is written out in groups."""

    country: str
    module: str
    shape: re.Pattern[str] = field(repr=False)
    written: re.Pattern[str] | None = field(default=None, repr=False)
    words: tuple[str, ...] = ()

    def check(self) -> _Check:
        checked: _Check = import_module(f"stdnum.{self.module}")
        return checked


def _row(module: str, shape: str, written: str = "", words: str = "") -> NationalId:
    country = module.split(".")[0].strip("_").upper()
    return NationalId(
        country,
        module,
        re.compile(shape),
        re.compile(written) if written else None,
        tuple(w for w in words.split(",") if w),
    )


_O: Final = "[0-9LMNPQRSTUV]"
"""A digit of the Italian code, or the letter that replaces it where two people would share one (omocodia)."""
NATIONAL_IDS: Final = (
    _row("ar.dni", r"\d{7,8}", r"\d{1,2}\.\d{3}\.\d{3}", "dni"),
    _row("ar.cuit", r"\d{11}", r"\d{2}-\d{8}-\d", "cuit,cuil"),
    _row("at.vnr", r"\d{10}", r"\d{4} \d{6}", "svnr,sozialversicherungsnummer"),
    _row("au.tfn", r"\d{8,9}", r"\d{3} \d{3} \d{2,3}", "tfn"),
    _row("be.nn", r"\d{11}", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "rijksregisternummer,niss"),
    _row("bg.egn", r"\d{10}", "", "egn"),
    _row("br.cpf", r"\d{11}", r"\d{3}\.\d{3}\.\d{3}-\d{2}", "cpf"),
    _row("br.cnpj", r"\d{14}", r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", "cnpj"),
    _row("ca.sin", r"\d{9}", r"\d{3}[ -]\d{3}[ -]\d{3}", "sin,insurance"),
    _row("ch.ssn", r"756\d{10}", r"756\.\d{4}\.\d{4}\.\d{2}", "ahv,avs"),
    _row("cl.rut", r"\d{7,8}[\dK]", r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", "rut,run"),
    _row("cn.ric", r"\d{17}[\dX]", "", ""),
    _row("co.nit", r"\d{8,16}", r"\d{3}\.\d{3}\.\d{3}-\d", "nit"),
    _row("cz.rc", r"\d{9,10}", r"\d{6}/\d{3,4}", "rodne"),
    _row("de.idnr", r"\d{11}", r"\d{2} \d{3} \d{3} \d{3}", "steuer,steuerid,idnr,tin"),
    _row("dk.cpr", r"\d{10}", r"\d{6}-\d{4}", "cpr"),
    _row("do.cedula", r"\d{11}", r"\d{3}-\d{7}-\d", "cedula"),
    _row("ec.ci", r"\d{10}", "", "cedula"),
    _row("ee.ik", r"\d{11}", "", "isikukood"),
    _row("es.dni", r"\d{8}[A-Z]", "", "dni,nif"),
    _row("es.nie", r"[XYZ]\d{7}[A-Z]", "", "nie"),
    _row("fi.hetu", r"\d{6}[-+ABCDEFYXWVU]?\d{3}[0-9A-Y]", r"\d{6}[-+A]\d{3}[0-9A-Y]", "hetu,henkilotunnus"),
    _row("fr.nir", r"[12]\d{4}[0-9AB]\d{9}", r"[12] \d{2} \d{2} \d[0-9AB] \d{3} \d{3} \d{2}", "nir,securite"),
    _row("fr.nif", r"[0-3]\d{12}", r"\d{2} \d{2} \d{3} \d{3} \d{3}", "fiscal,spi"),
    _row("gb.nhs", r"\d{10}", r"\d{3} \d{3} \d{4}", "nhs"),
    _row("gb.utr", r"\d{10}", r"\d{5} \d{5}", "utr"),
    _row("gr.amka", r"\d{11}", "", "amka"),
    _row("hr.oib", r"\d{11}", "", "oib"),
    _row("id.nik", r"\d{16}", "", "nik"),
    _row("ie.pps", r"\d{7}[A-W][A-IW]?", "", "pps,ppsn"),
    _row("il.idnr", r"\d{9}", "", "teudat"),
    _row("in_.aadhaar", r"[2-9]\d{11}", r"\d{4}[ -]\d{4}[ -]\d{4}", "aadhaar,aadhar,uidai"),
    _row("in_.pan", r"[A-Z]{3}[ABCFGHLJPTK][A-Z]\d{4}[A-Z]", "", "pan"),
    _row("is_.kennitala", r"\d{10}", r"\d{6}-\d{4}", "kennitala"),
    _row("it.codicefiscale", rf"[A-Z]{{6}}{_O}{{2}}[A-Z]{_O}{{2}}[A-Z]{_O}{{3}}[A-Z]", "", "codice"),
    _row("kr.rrn", r"\d{13}", r"\d{6}-\d{7}", ""),
    _row("lt.asmens", r"\d{11}", "", "asmens"),
    _row("mx.curp", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", "", "curp"),
    _row("mx.rfc", r"[A-Z&]{3,4}\d{6}[0-9A-Z]{3}", "", "rfc"),
    _row("my.nric", r"\d{12}", r"\d{6}-\d{2}-\d{4}", "nric,mykad"),
    _row("nl.bsn", r"\d{9}", r"\d{4}\.\d{2}\.\d{3}", "bsn,burgerservicenummer"),
    _row("no.fodselsnummer", r"\d{11}", r"\d{6} \d{5}", "fodselsnummer,personnummer"),
    _row("nz.ird", r"\d{8,9}", r"\d{2,3}-\d{3}-\d{3}", "ird"),
    _row("pl.pesel", r"\d{11}", "", "pesel"),
    _row("pl.nip", r"\d{10}", r"\d{3}-\d{3}-\d{2}-\d{2}|\d{3}-\d{2}-\d{2}-\d{3}", "nip"),
    _row("pt.nif", r"[1-9]\d{8}", r"\d{3} \d{3} \d{3}", "nif,contribuinte"),
    _row("pt.cc", r"\d{9}[A-Z0-9]{2}\d", r"\d{8} \d [A-Z0-9]{2}\d", "cartao"),
    _row("ro.cnp", r"[1-9]\d{12}", "", "cnp"),
    _row("rs.pib", r"\d{9}", "", "pib"),
    _row("ru.inn", r"\d{12}", "", "inn"),
    _row("se.personnummer", r"\d{10}|\d{12}", r"(?:\d{2})?\d{6}[-+]\d{4}", "personnummer"),
    _row("si.emso", r"\d{13}", "", "emso"),
    _row("sk.rc", r"\d{9,10}", r"\d{6}/\d{3,4}", "rodne"),
    _row("th.pin", r"\d{13}", r"\d-\d{4}-\d{5}-\d{2}-\d", ""),
    _row("tr.tckimlik", r"[1-9]\d{10}", "", "tckimlik,kimlik,tc"),
    _row("ua.rntrc", r"\d{10}", "", "rnokpp"),
    _row("us.ssn", r"\d{9}", r"\d{3}[ -]\d{2}[ -]\d{4}", "ssn,social,security"),
    _row("us.itin", r"9\d{8}", r"9\d{2}[ -]\d{2}[ -]\d{4}", "itin"),
    _row("us.ein", r"\d{9}", r"\d{2}-\d{7}", "ein"),
    _row("za.idnr", r"\d{13}", r"\d{6} \d{4} \d{3}", ""),
)  # fmt: skip
_NINO: Final = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
"""British national insurance number: no check digit, but letters that little else has (HMRC manual NIM39110)."""
_SHORTEST: Final = 7
_LONGEST: Final = 18


class NationalIdChecks:
    """The checks of the chosen countries. Loads python-stdnum's modules once, in the constructor."""

    def __init__(self, countries: frozenset[str]) -> None:
        """``countries``: ISO 3166-1 codes; empty means all."""
        chosen = [row for row in NATIONAL_IDS if not countries or row.country in countries]
        self._rows = tuple((row, row.check()) for row in chosen)
        self._nino = not countries or "GB" in countries
        shapes = [row.shape.pattern for row in chosen] + ([_NINO.pattern] if self._nino else [])
        self._any = re.compile("|".join(f"(?:{shape})" for shape in shapes))

    def may_be_lettered(self, compact: str) -> bool:
        """Say whether a row of upper-case letters and digits has the shape of some country's number."""
        return not compact.isdigit() and not compact.isalpha() and self._any.fullmatch(compact) is not None

    def score(self, compact: str, written: str, nearby: Iterable[str]) -> float:
        """Return how surely this is somebody's number, 0.0 for not at all.

        ``compact``: upper case, letters and digits only. ``written``: as it stands in the text, upper case.
        ``nearby``: lower-case words around it.
        """
        if not _SHORTEST <= len(compact) <= _LONGEST:
            return 0.0
        if self._nino and _NINO.fullmatch(compact):
            return STRONG_GRAMMAR
        around = frozenset(nearby)
        return max((self._one(row, check, compact, written, around) for row, check in self._rows), default=0.0)

    def _one(self, row: NationalId, check: _Check, compact: str, written: str, around: frozenset[str]) -> float:
        if row.shape.fullmatch(compact) is None or not _passes(check, compact, written):
            return 0.0
        if any(word in around for word in row.words):
            return CHECKED_CONTEXT
        if row.written is not None and row.written.fullmatch(written):
            return STRONG_GRAMMAR
        if compact.isdigit():
            return CHECKSUM if len(compact) > 8 else 0.0
        return GRAMMAR


def _passes(check: _Check, compact: str, written: str) -> bool:
    """Ask python-stdnum; some checks need the separators that are part of the number (Finland's century sign)."""
    for form in (compact, written) if written != compact else (compact,):
        try:
            check.validate(form)
        except ValidationError:
            continue
        return True
    return False


COUNTRIES: Final = frozenset(row.country for row in NATIONAL_IDS)
"""ISO 3166-1 codes of the countries whose numbers are checked."""
