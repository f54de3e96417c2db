"""Requests that are recognised in a chat: filed for somebody to look at, never acted upon by themselves (E7, E41)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sidecar.access import Role
from sidecar.erasure.reading import RequestInvalid
from sidecar.erasure.recognition import PHRASES, asks_to_be_forgotten
from sidecar.erasure.trigger import filed, parse_message
from sidecar.erasure.trigger_api import PATH, trigger_routes
from sidecar.keys import Purpose
from tests.erasure.test_api import listening
from tests.erasure.world import CANARY, MASTER, bytes_on_disk, one_target

INTENTS = frozenset({"gdpr_delete"})


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_eight_languages_have_phrases_and_each_is_recognised_in_a_sentence(language: str) -> None:
    assert len(PHRASES) == 8
    for phrase in PHRASES[language]:
        for text in (phrase, f"Hello! {phrase.upper()}, please.", f"{phrase}?"):
            assert asks_to_be_forgotten(text, None, ())


@pytest.mark.parametrize(
    "text",
    [
        "Please DELETE   my\ndata now",
        "Bitte loschen Sie meine Daten",
        "Je demande l’effacement de mes donnees",
        "Quiero ejercer mi derecho al olvido",
        "Prosze o usuniecie moich danych",
    ],
)
def test_case_spaces_and_accents_do_not_matter(text: str) -> None:
    assert asks_to_be_forgotten(text, None, ())


@pytest.mark.parametrize(
    "text",
    [
        "Where is my parcel?",
        "delete my database",
        "Ich möchte meine Daten ändern",
        "don't forget my birthday",
        "",
        "delete",
    ],
)
def test_other_messages_ask_for_nothing(text: str) -> None:
    assert not asks_to_be_forgotten(text, None, INTENTS)
    assert not asks_to_be_forgotten(text, "smalltalk", INTENTS)


def test_the_intent_of_the_chatbot_is_enough() -> None:
    assert asks_to_be_forgotten(None, "gdpr_delete", INTENTS)


def message(**changes: Any) -> bytes:
    fields = {
        "text": "please delete my data, secret-7781",
        "subject": {"identities": [{"type": "email", "value": CANARY}]},
    }
    return json.dumps(fields | changes).encode()


async def test_E7_what_is_recognised_waits_for_confirmation_and_ten_messages_are_one_request(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        pseudonyms = MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)
        async with listening(w, trigger_routes(w.intake, [pseudonyms], INTENTS, w.metrics, w.clock)) as caller:
            quiet = await caller.call(Role.INTAKE, "POST", PATH, message(text="hello"))
            assert (quiet.status, quiet.json) == (200, {"recognised": False})
            answers = [await caller.call(Role.INTAKE, "POST", PATH, message()) for _ in range(3)]
            answers.append(await caller.call(Role.INTAKE, "POST", PATH, message(text=None, intent="gdpr_delete")))
            assert {answer.status for answer in answers} == {202}
            (request_id,) = {answer.json["id"] for answer in answers}
            await w.settle()
            assert upstream.calls == []
            assert await w.state(request_id) == "awaiting_verification"
            assert (await w.view(request_id)).origin == "chat"
            w.clock.advance(days=1)
            again = await caller.call(Role.INTAKE, "POST", PATH, message())
            assert again.json["id"] != request_id
            await w.intake.confirm(request_id, "account_login")
            await w.settle()
            assert await w.state(request_id) == "completed"
            assert (await caller.call(Role.TRAINER, "POST", PATH, message())).status == 403
        assert b"secret-7781" not in bytes_on_disk(tmp_path)
        assert "secret-7781" not in repr(w.ledger)


def test_the_order_of_identities_makes_no_other_request() -> None:
    pseudonyms, day = MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM), date(2025, 3, 1)
    people = [{"type": "email", "value": CANARY}, {"type": "customer_id", "value": "C-1007"}]
    one, other = (
        filed(parse_message(message(subject={"identities": some})), day, pseudonyms) for some in (people, people[::-1])
    )
    assert one == other


@pytest.mark.parametrize(
    "changes", [{"text": 7}, {"text": None}, {"subject": {}}, {"regulation": "law"}, {"more": 1}, {"intent": []}]
)
def test_a_message_that_can_not_be_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid) as caught:
        parse_message(message(**changes))
    assert "secret-7781" not in str(caught.value)
