"""Draws ids, phones, e-mails, user names, passwords, dates and amounts."""

from __future__ import annotations

import random
import re
import string
from typing import Final

from sidecar.training.synthesis.lists import common_words, entries
from sidecar.training.synthesis.names import family, given
from sidecar.training.synthesis.places import digits

_MAIL_HOSTS: Final = (
    "gmail.com",
    "yahoo.com",
    "hotmail.com",
    "email.com",
    "outlook.com",
    "icloud.com",
    "aol.com",
    "live.com",
    "protonmail.com",
    "gmx.de",
    "yahoo.co.uk",
    "me.com",
    "msn.com",
    "web.de",
    "rediffmail.com",
    "comcast.net",
    "mail.com",
)


def word(rng: random.Random) -> str:
    """A common word, frequent ones more often."""
    known = common_words()
    return known[int(len(known) ** rng.random()) - 1] if rng.random() < 0.5 else rng.choice(known)


def letters(count: int, rng: random.Random) -> str:
    """That many capital letters."""
    return "".join(rng.choice(string.ascii_uppercase) for _ in range(count))


def user_name(rng: random.Random) -> str:
    """A login or handle."""
    first = re.sub(r"[^a-z0-9]", "", given(rng).lower()) or "kim"
    last = re.sub(r"[^a-z0-9]", "", family(rng).lower()) or "lee"
    number = digits(rng.choice((1, 2, 2, 3, 3, 4)), rng)
    return rng.choice(
        (
            first[0] + last + number, first[0] + last + number, first[0] + last + number, first + last, first + last + number, first + number, f"{first}_{last}", f"{first}.{last}", f"{first}.{last}{number}",
            last + first[0], last + first[0] + number, first[0] + last, word(rng) + number, word(rng) + word(rng) + number, f"{word(rng)}_{word(rng)}", f"{first}_{number}", f"x{first}x", f"{first}the{word(rng)}",
            f"@{first}{last}", f"@{first}{number}", last + number, f"{first}-{last}{number}", word(rng).capitalize() + first.capitalize() + number, first[:3] + last[:4] + number, f"the_real_{first}", first, last, f"{word(rng)}{first}",
        )
    )  # fmt: skip


def mail(rng: random.Random) -> str:
    """An e-mail address."""
    host = rng.choice(
        (
            *_MAIL_HOSTS,
            f"{word(rng)}.com",
            f"{word(rng)}{word(rng)}.co.uk",
            f"{word(rng)}.org",
            f"{word(rng)}-{word(rng)}.net",
            f"{word(rng)}.io",
        )
    )
    return f"{user_name(rng).strip('@')}@{host}"


def phone(rng: random.Random) -> str:
    """A phone number of some country, in some grouping."""
    area, three, four = str(rng.randint(201, 989)), digits(3, rng), digits(4, rng)
    return rng.choice(
        (
            f"({area}) {three}-{four}", f"{area}-{three}-{four}", f"{area}{three}{four}", f"{area}{three}{four}", f"{area} {three} {four}", f"+1 {area} {three} {four}", f"+1{area}{three}{four}", f"{area}.{three}.{four}", f"{three}-{four}",
            f"07{three} {three}{digits(3, rng)}", f"+44 7{three} {digits(6, rng)}", f"+49 1{digits(2, rng)} {digits(7, rng)}", f"+91 9{four} {digits(5, rng)}", f"9{digits(9, rng)}", f"020 {four} {digits(4, rng)}", f"0{digits(3, rng)} {digits(3, rng)} {digits(4, rng)}",
            f"+33 6 {digits(2, rng)} {digits(2, rng)} {digits(2, rng)} {digits(2, rng)}", f"1-800-{three}-{four}", f"{area}-{three}-{four} ext {digits(3, rng)}",
        )
    )  # fmt: skip


def code(rng: random.Random) -> str:
    """An order, booking, claim or case number in one of many grammars."""
    mixed = "".join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(rng.choice((5, 6, 6, 7, 8))))
    return rng.choice(
        (
            digits(10, rng), digits(10, rng), digits(8, rng), digits(9, rng), digits(6, rng), digits(5, rng), digits(3, rng), f"#{digits(7, rng)}", f"#{digits(5, rng)}", f"ORD-{digits(6, rng)}", f"{digits(3, rng)}-{digits(7, rng)}-{digits(7, rng)}",
            letters(1, rng) + digits(7, rng), f"{letters(2, rng)}{digits(8, rng)}", f"{letters(3, rng)}{digits(3, rng)}", f"{letters(3, rng)} {digits(3, rng)}", f"{letters(3, rng)}{digits(9, rng)}", f"{letters(3, rng)}-{digits(4, rng)}", mixed, mixed,
            f"{letters(1, rng)}{digits(2, rng)}{letters(1, rng)}{digits(2, rng)}", f"{letters(2, rng)}{digits(2, rng)}{letters(1, rng)}{digits(1, rng)}", f"1Z{mixed}{digits(8, rng)}", f"INC{digits(7, rng)}", f"{digits(4, rng)}-{digits(4, rng)}",
        )
    )  # fmt: skip


def account(rng: random.Random) -> str:
    """An account, customer or member number."""
    lower = "".join(rng.choice(string.ascii_lowercase + string.digits) for _ in range(10)).upper()
    return rng.choice(
        (
            digits(4, rng),
            digits(4, rng),
            digits(6, rng),
            digits(8, rng),
            digits(9, rng),
            digits(10, rng),
            digits(11, rng),
            digits(12, rng),
            lower,
            f"{digits(4, rng)} {digits(4, rng)} {digits(4, rng)}",
            f"{letters(2, rng)}{digits(6, rng)}",
            f"{digits(3, rng)}-{digits(5, rng)}-{digits(1, rng)}",
            f"ACC{digits(6, rng)}",
        )
    )


def card(rng: random.Random) -> str:
    """A card number, whole or its last digits."""
    groups = [digits(4, rng) for _ in range(4)]
    return rng.choice(
        (
            " ".join(groups),
            "-".join(groups),
            "".join(groups),
            "".join(groups),
            groups[0],
            groups[1],
            f"xxxx {groups[0]}",
            f"{digits(4, rng)} {digits(6, rng)} {digits(5, rng)}",
        )
    )


def national_id(rng: random.Random) -> str:
    """A social security number or the like, whole or its last digits."""
    three, two, four = digits(3, rng), digits(2, rng), digits(4, rng)
    return rng.choice(
        (
            f"{three}-{two}-{four}",
            f"{three} {two} {four}",
            three + two + four,
            four,
            four,
            f"{letters(2, rng)}{digits(6, rng)}{letters(1, rng)}",
            f"{letters(2, rng)} {two} {digits(2, rng)} {digits(2, rng)} {letters(1, rng)}",
            f"{letters(1, rng)}{digits(7, rng)}",
            f"{digits(4, rng)} {digits(4, rng)} {digits(4, rng)}",
            f"{letters(5, rng)}{four}{letters(1, rng)}",
            digits(11, rng),
        )
    )


def password(rng: random.Random) -> str:
    """A password, PIN or one-time code."""
    signs = "".join(
        rng.choice(string.ascii_letters + string.digits + "!@#$%") for _ in range(rng.choice((7, 8, 9, 10)))
    )
    return rng.choice(
        (
            digits(4, rng),
            digits(4, rng),
            digits(6, rng),
            word(rng) + digits(3, rng),
            word(rng).capitalize() + digits(2, rng) + "!",
            f"{word(rng)}@{digits(3, rng)}",
            signs,
            signs,
            f"{given(rng).lower()}{digits(4, rng)}",
            f"{word(rng)}{word(rng)}",
            f"{word(rng)} {word(rng)}",
            f"{word(rng)}_{digits(2, rng)}",
            given(rng) + digits(2, rng),
        )
    )


def serial(rng: random.Random) -> str:
    """Any other number that stands for one person, thing or case."""
    return rng.choice((code, account, national_id))(rng)


def date(rng: random.Random) -> str:
    """A day, month or time span, as a customer writes it."""
    month, number, year = rng.choice(entries("months")), rng.randint(1, 31), rng.randint(2018, 2027)
    weekday = rng.choice(entries("weekdays"))
    return rng.choice(
        (
            month, f"{month} {number}", f"{month} {number}th", f"{number} {month}", f"{rng.randint(1, 12)}/{number}", f"{rng.randint(1, 12)}/{number}/{year}", f"{year}-{rng.randint(1, 12):02d}-{number:02d}", weekday, f"last {weekday}", f"next {weekday}",
            "yesterday", "today", "tomorrow", f"{month} {year}", rng.choice(entries("holidays")), f"{number}th of {month}", f"the {number}th", f"{weekday} {month} {number}", f"{number:02d}.{rng.randint(1, 12):02d}.{year}", f"{weekday} the {number}th",
        )
    )  # fmt: skip


def birth_date(rng: random.Random) -> str:
    """A date of birth."""
    month, number, year = rng.choice(entries("months")), rng.randint(1, 31), rng.randint(1930, 2008)
    number_of_month = rng.randint(1, 12)
    return rng.choice(
        (
            f"{number_of_month}/{number}/{year}", f"{number_of_month:02d}/{number:02d}/{year}", f"{number:02d}/{number_of_month:02d}/{year}", f"{month} {number}, {year}", f"{month} {number} {year}", f"{number} {month} {year}", f"{year}-{number_of_month:02d}-{number:02d}",
            f"{number:02d}.{number_of_month:02d}.{year}", f"{number_of_month}/{number}/{year % 100:02d}", f"{number}th of {month} {year}", f"{month} {number}th {year}", f"{number_of_month:02d}{number:02d}{year}", f"{number_of_month}-{number}-{year}",
        )
    )  # fmt: skip


def money(rng: random.Random) -> str:
    """An amount of money."""
    amount = rng.choice((rng.randint(5, 400), rng.randint(1, 60) * 100))
    return rng.choice(
        (
            f"${amount}",
            f"${amount}.{digits(2, rng)}",
            f"{amount} dollars",
            f"£{amount}",
            f"{amount} euros",
            f"{amount} bucks",
            f"€{amount}",
            f"{amount} rs",
            f"{amount} usd",
            f"{amount}.{digits(2, rng)}",
        )
    )


def clock(rng: random.Random) -> str:
    """A time of day."""
    hour, minute = rng.randint(1, 12), rng.choice(("00", "15", "30", "45", digits(2, rng)))
    return rng.choice(
        (
            f"{hour} pm",
            f"{hour}pm",
            f"{hour} am",
            f"{hour}:{minute}",
            f"{hour}:{minute} pm",
            f"{hour}:{minute}am",
            f"{rng.randint(13, 23)}:{minute}",
            f"{hour}.{minute}pm",
            f"{hour}{minute} pm",
            f"{hour} o'clock",
            "noon",
            "midnight",
        )
    )


def quantity(rng: random.Random) -> str:
    """A small number, in digits or words."""
    return rng.choice(
        (
            str(rng.randint(1, 12)),
            str(rng.randint(1, 12)),
            str(rng.randint(13, 99)),
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "a couple",
            "ten",
            "a dozen",
            str(rng.randint(1, 20) * 10),
        )
    )
