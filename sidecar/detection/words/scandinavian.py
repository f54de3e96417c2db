"""Danish, Norwegian and Swedish words of the rules (folded: "vägen" is "vagen", "sø" is "so", "æ" is "ae").

Few, and none that suppress a finding: what these languages call things, how they introduce people, how their streets
end. Endings that English words have too ("-gate", "-veg", "-allé") are left out.
"""

from __future__ import annotations

from typing import Final

from sidecar.detection.words.table import LanguageWords

DANISH: Final = LanguageWords(
    names={
        "ACCOUNT_ID": ("kundenummer", "kontonummer"),
        "ORDER_ID": ("ordrenummer", "bestillingsnummer", "fakturanummer"),
        "TRACKING_NUMBER": ("pakkenummer", "sporingsnummer"),
        "NATIONAL_ID": ("cpr nummer", "cpr"),
        "PASSPORT": ("pasnummer",),
        "PHONE": ("telefonnummer", "mobilnummer"),
        "EMAIL": ("mailadresse", "emailadresse"),
        "ADDRESS": ("postnummer", "adresse"),
        "DATE_OF_BIRTH": ("fodselsdato", "fodselsdag"),
        "PASSWORD": ("adgangskode", "kodeord"),
        "USERNAME": ("brugernavn",),
        "PERSON": ("efternavn", "fornavn", "dit navn", "mit navn"),
    },
    introductions=("mit navn er", "jeg hedder"),
    street_endings=("gade", "vej", "vejen", "plads", "pladsen", "torv", "torvet", "straede", "boulevarden"),
)

NORWEGIAN: Final = LanguageWords(
    names={
        "ACCOUNT_ID": ("kundenummer", "kontonummer"),
        "ORDER_ID": ("ordrenummer", "bestillingsnummer", "fakturanummer"),
        "TRACKING_NUMBER": ("pakkenummer", "sporingsnummer", "sendingsnummer"),
        "NATIONAL_ID": ("fodselsnummer", "personnummer"),
        "PASSPORT": ("passnummer",),
        "PHONE": ("telefonnummer", "mobilnummer"),
        "EMAIL": ("epostadresse", "e postadresse", "e post"),
        "ADDRESS": ("postnummer", "adresse"),
        "DATE_OF_BIRTH": ("fodselsdato",),
        "PASSWORD": ("passord",),
        "USERNAME": ("brukernavn",),
        "PERSON": ("etternavn", "fornavn", "navnet ditt", "navnet mitt"),
    },
    introductions=("mitt navn er", "jeg heter"),
    street_endings=(
        "gata",
        "gaten",
        "veien",
        "vegen",
        "vei",
        "plass",
        "plassen",
        "torget",
        "bakken",
        "stien",
        "brygge",
    ),
)

SWEDISH: Final = LanguageWords(
    names={
        "ACCOUNT_ID": ("kundnummer", "kontonummer"),
        "ORDER_ID": ("ordernummer", "bestallningsnummer", "fakturanummer"),
        "TRACKING_NUMBER": ("kollinummer", "sparningsnummer"),
        "NATIONAL_ID": ("personnummer",),
        "PASSPORT": ("passnummer",),
        "PHONE": ("telefonnummer", "mobilnummer"),
        "EMAIL": ("epostadress", "e postadress", "e post"),
        "ADDRESS": ("postnummer", "adress"),
        "DATE_OF_BIRTH": ("fodelsedatum",),
        "PASSWORD": ("losenord",),
        "USERNAME": ("anvandarnamn",),
        "PERSON": ("efternamn", "fornamn", "ditt namn", "mitt namn"),
    },
    introductions=("mitt namn ar", "jag heter"),
    street_endings=("gatan", "vagen", "torget", "platsen", "stigen", "backen", "kajen", "granden"),
)
