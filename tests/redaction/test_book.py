"""D19 and D20 on the pure book: the same key the same number for ever, and two people never one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.book import Book, Entries
from sidecar.redaction.linking import ask_for, full_name, people_of
from sidecar.redaction.person import person_name
from sidecar.redaction.scope import Ask

KEYS = MasterKey(b"k" * 32).pseudonymizer(Purpose.PLACEHOLDER)


def people(*names: str) -> list[Ask]:
    return [ask_for("PERSON", name, KEYS) for name in names]


def entered(book: Book, *names: str) -> list[int]:
    book.enter(people(*names), [])
    numbers = book.known(people(*names), [])
    assert numbers is not None
    return numbers


def test_order_in_one_text_does_not_matter() -> None:
    assert entered(Book(), "john", "John Smith", "Mr Smith") == [1, 1, 1]
    assert entered(Book(), "Mr Smith", "john", "John Smith") == [1, 1, 1]
    assert entered(Book(), "john", "Ann Lee", "John Smith", "Lee") == [1, 2, 1, 2]


def test_two_of_one_name_are_three() -> None:
    assert entered(Book(), "john", "John Smith", "John Doe") == [1, 2, 3]


def test_a_known_short_name_is_not_given_to_one_of_two() -> None:
    book = Book()
    assert entered(book, "john") == [1]
    assert entered(book, "John Smith", "John Doe") == [2, 3]


def test_mr_and_mrs_smith_are_two() -> None:
    assert entered(Book(), "Mr Smith", "Mrs Smith", "smith") == [1, 2, 3]
    book = Book()
    assert entered(book, "Mr Smith") == [1]
    assert entered(book, "Mrs Smith") == [2]
    assert entered(book, "Mr. John Smith") == [1]
    assert entered(book, "Mrs Jane Smith") == [2]
    assert entered(book, "jane", "john") == [2, 1]


def test_middle_names_and_generations() -> None:
    assert entered(Book(), "John A. Smith", "John B. Smith") == [1, 2]
    assert entered(Book(), "John A. Smith", "John Smith") == [1, 1]
    assert entered(Book(), "John Smith Jr", "John Smith Sr") == [1, 2]


def test_same_family_name() -> None:
    assert entered(Book(), "John Smith", "Jane Smith", "Smith", "jane") == [1, 2, 3, 2]


def test_entries_rebuild_the_book() -> None:
    """What is stored is all there is to it."""
    book, copy = Book(), Book()
    for names in (["john"], ["John Smith", "Ann"], ["Mr Smith", "Ann Lee", "j smith"]):
        copy.load(book.enter(people(*names), [("PERSON", 9)]))
    everybody = people("john", "John Smith", "Ann", "Mr Smith", "Ann Lee")
    assert copy.known(everybody, [("PERSON", 9)]) == book.known(everybody, [("PERSON", 9)])
    assert copy.rows == book.rows
    assert not book.enter(everybody, [("PERSON", 9)])


def test_forgetting() -> None:
    book = Book()
    entered(book, "John Smith", "john", "Ann Lee")
    assert book.count([ask.key for ask in people("John Smith", "Nobody")]) == 1
    rows = book.rows
    assert book.forget([people("John Smith")[0].key]) > 2
    assert book.rows < rows
    assert book.known(people("john"), []) is None
    assert entered(book, "john", "Ann Lee") == [3, 2]


def test_a_short_form_of_a_known_name() -> None:
    known = ["Crystal Minh", "Ann Lee", "Ann Ode"]
    assert full_name("crystal", people_of(known)) == "Crystal Minh"
    assert full_name("Ms Minh", people_of(known)) == "Crystal Minh"
    assert full_name("ann", people_of(known)) == "ann"
    assert full_name("Minh, Crystal", people_of(known)) == "Minh, Crystal"
    assert full_name("bob", people_of(known)) == "bob"
    assert full_name("crystal", people_of([])) == "crystal"


GIVEN, FAMILY = ["john", "jane", "ann"], ["smith", "doe"]
FULL = st.builds(lambda g, f: f"{g} {f}", st.sampled_from(GIVEN), st.sampled_from(FAMILY))
TITLED = st.builds(lambda t, f: f"{t} {f}", st.sampled_from(["Mr", "Mrs"]), st.sampled_from(FAMILY))
NAMES = st.one_of(FULL, TITLED, st.sampled_from(GIVEN + FAMILY))
BATCHES = st.lists(st.lists(NAMES, min_size=1, max_size=5), min_size=1, max_size=6)
RESERVED = st.lists(st.tuples(st.just("PERSON"), st.integers(1, 6)), max_size=3)


@given(BATCHES, RESERVED)
def test_two_people_never_share_a_number(batches: list[list[str]], reserved: list[tuple[str, int]]) -> None:
    """No two different full names, and no Mr and Mrs, have one number, in whatever order they come."""
    book = Book()
    seen: dict[str, int] = {}
    for batch in batches:
        book.enter(people(*batch), reserved)
        numbers = book.known(people(*batch), reserved)
        assert numbers is not None
        for name, number in zip(batch, numbers, strict=True):
            key = person_name(name).key
            assert seen.setdefault(key, number) == number, "a key keeps its number"
            assert ("PERSON", number) not in reserved
    for number in set(seen.values()):
        keys = [key for key, given in seen.items() if given == number]
        assert len([key for key in keys if " " in key and not key.startswith(("mr ", "ms "))]) <= 1
        assert not (any(key.startswith("mr ") for key in keys) and any(key.startswith("ms ") for key in keys))


@given(BATCHES)
def test_a_book_that_was_stored_goes_on_like_one_that_was_not(batches: list[list[str]]) -> None:
    """Each batch is entered in a fresh copy made of the rows so far, as every replica does."""
    whole = Book()
    rows: list[Entries] = []
    for batch in batches:
        whole.enter(people(*batch), [])
        copy = Book()
        for entries in rows:
            copy.load(entries)
        rows.append(copy.enter(people(*batch), []))
        assert copy.known(people(*batch), []) == whole.known(people(*batch), [])
