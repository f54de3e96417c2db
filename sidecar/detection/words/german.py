"""German words of the rules (folded: "ß" is "ss", umlauts without dots)."""

from __future__ import annotations

from typing import Final

from sidecar.detection.words.table import LanguageWords

GERMAN: Final = LanguageWords(
    nouns={
        "ACCOUNT_ID": ("konto", "kunden", "mitglieds"),
        "ORDER_ID": ("bestell", "auftrags", "buchungs", "rechnungs"),
        "PHONE": ("telefon", "handy", "mobil", "rufnummer"),
    },
    number_words=("nummer", "nr"),
    names={
        "ACCOUNT_ID": ("kontonummer", "kundennummer", "mitgliedsnummer", "kundennr", "kontonr"),
        "ORDER_ID": ("bestellnummer", "auftragsnummer", "buchungsnummer", "rechnungsnummer", "bestellnr"),
        "TRACKING_NUMBER": ("sendungsnummer", "paketnummer"),
        "OTHER_ID": ("vorgangsnummer", "ticketnummer", "aktenzeichen", "versicherungsnummer", "vertragsnummer"),
        "NATIONAL_ID": ("steuer id", "steuernummer", "steueridentifikationsnummer", "sozialversicherungsnummer"),
        "PASSPORT": ("reisepassnummer", "passnummer", "personalausweisnummer", "ausweisnummer"),
        "CREDIT_CARD": ("kreditkarte", "kreditkartennummer", "kartennummer"),
        "PHONE": ("telefonnummer", "handynummer", "mobilnummer", "rufnummer"),
        "EMAIL": ("e mail adresse", "email adresse", "mailadresse"),
        "ADDRESS": ("postleitzahl", "plz", "anschrift", "adresse", "lieferadresse"),
        "DATE_OF_BIRTH": ("geburtsdatum", "geboren", "geburtstag", "geb"),
        "PASSWORD": ("passwort", "kennwort", "geheimzahl"),
        "USERNAME": ("benutzername", "nutzername"),
        "PERSON": ("nachname", "vorname", "ihr name", "mein name"),
        "VEHICLE_PLATE": ("kennzeichen", "kfz kennzeichen"),
    },
    counted=("wie viele", "wie viel", "wieviel", "wie lange", "wann", "welche grosse", "um wie viel uhr"),
    requests=("bitte", "wie lautet", "wie ist", "konnen sie", "nennen", "geben", "was ist"),
    fillers=("ist", "lautet", "die", "der", "das", "meine", "mein", "ja", "und", "bitte", "ich", "bin"),
    common=(
        "ja",
        "nein",
        "danke",
        "bitte",
        "hallo",
        "ich",
        "und",
        "oder",
        "nicht",
        "weiss",
        "keine",
        "gut",
        "morgen",
        "tag",
    ),
    units=("uhr", "stuck", "tage", "stunden", "minuten", "jahre", "wochen", "monate"),
    digits={
        "null": "0",
        "eins": "1",
        "zwei": "2",
        "zwo": "2",
        "drei": "3",
        "vier": "4",
        "funf": "5",
        "fuenf": "5",
        "sechs": "6",
        "sieben": "7",
        "acht": "8",
        "neun": "9",
    },
    months=("januar", "februar", "marz", "maerz", "mai", "juni", "juli", "oktober", "dezember", "okt", "dez"),
    birth=("geboren", "geburtsdatum", "geburtstag", "geb"),
    street_endings=("strasse", "str", "weg", "platz", "allee", "gasse", "ring", "damm", "ufer", "chaussee"),
    regions=("deutschland", "osterreich", "schweiz"),
    at_words=("at", "klammeraffe"),
    dot_words=("punkt",),
    introductions=("mein name ist", "ich heisse"),
)
