"""Order, account and other numbers by the words beside them, and alone (D6)."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, covered, spot

NAMED = [
    ("my account number is 4821", "ACCOUNT_ID", "4821"),
    ("acct no 000123", "ACCOUNT_ID", "000123"),
    ("account: 77120045", "ACCOUNT_ID", "77120045"),
    ("4821 is my account number", "ACCOUNT_ID", "4821"),
    ("where is order #A-99127?", "ORDER_ID", "A-99127"),
    ("order no. 5521 is late", "ORDER_ID", "5521"),
    ("booking confirmation number is ey 58 s 6", "ORDER_ID", "ey 58 s 6"),
    ("i booked ride 788 please check", "ORDER_ID", "788"),
    ("the ride id is 51", "ORDER_ID", "51"),
    ("policy number kis 908765438", "OTHER_ID", "kis 908765438"),
    ("claim no hfs 384", "OTHER_ID", "hfs 384"),
    ("tracking number 1Z999AA10123456784", "TRACKING_NUMBER", "1Z999AA10123456784"),
    ("the last four digits of my ssn are 4399", "NATIONAL_ID", "4399"),
    ("ssn last 4 digits 4399", "NATIONAL_ID", "4399"),
    ("my credit card ending in 8821", "CREDIT_CARD", "8821"),
    ("passport number is X1234567", "PASSPORT", "X1234567"),
    ("license plate 313 EA9", "VEHICLE_PLATE", "313 EA9"),
    ("zip code is 62704", "ADDRESS", "62704"),
    ("kundennummer 884412", "ACCOUNT_ID", "884412"),
    ("meine bestellnummer ist 4471-22", "ORDER_ID", "4471-22"),
    ("mon numero de commande est 77123", "ORDER_ID", "77123"),
    ("mi numero de pedido es 99812", "ORDER_ID", "99812"),
    ("moj numer zamowienia to 55120", "ORDER_ID", "55120"),
    ("account number four five double two nine", "ACCOUNT_ID", "four five double two nine"),
]

ALONE = ["8412", "its 8412", "yes 553120", "ok 4821 thanks", "fr 56 f 5", "545 e 15", "ABC-12345", "x 7 y 9 z 1"]

KEPT = [
    "i want to order 2 pizzas",
    "order 20 boxes for my office",
    "my account has 3 users",
    "the card costs 50 dollars",
    "i have 2 accounts",
    "a 2015 model",
    "2017",
    "100",
    "14000 dollars",
    "$5231",
    "10 gb plan",
    "iphone 13 pro max",
    "windows 11 home",
    "room 450",
    "question 4",
    "gate 22",
    "flight 1402 was late",
    "can you reserve the flight with id 445",
    "size 42 in blue",
    "the 3rd of them",
    "open 24/7",
    "at 10:45 or 1105 am",
    "covid-19",
    "it is 72 f outside",
    "50% off",
    "usb 3.0 and hdmi 2.1",
    "4k at 60 fps",
    "mp3 player",
    "5g phone with 128gb",
    "a 3x3 grid",
    "i id like 2 more",
    "food 100 hotel 300",
    "my customer since 2019",
]


@pytest.mark.parametrize(("text", "label", "value"), NAMED)
def test_words_beside_a_number_type_it_d6(text: str, label: str, value: str) -> None:
    assert (label, value) in spot(ask(text))


@pytest.mark.parametrize("text", ALONE)
def test_a_code_alone_is_covered_d6(text: str) -> None:
    assert "_" in covered(ask(text))
    assert not any(c.isdigit() for c in covered(ask(text)))


@pytest.mark.parametrize("text", KEPT)
def test_prices_sizes_times_and_models_are_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []


def test_what_follows_or_is_of_the_same_kind() -> None:
    found = spot(ask("my pin is either 3100 or 7402"))
    assert found == [("PASSWORD", "3100"), ("PASSWORD", "7402")]


@pytest.mark.parametrize(
    ("text", "question", "label", "value"),
    [
        ("plate AB12 CDE", None, "VEHICLE_PLATE", "AB12 CDE"),
        ("the blue one, LV19 XKT, outside", None, "VEHICLE_PLATE", "LV19 XKT"),
        ("ab12 cde", "What is your license plate?", "VEHICLE_PLATE", "ab12 cde"),
        ("confirmation code QWERTY", None, "ORDER_ID", "QWERTY"),
        ("my booking reference is KLMNOP thanks", None, "ORDER_ID", "KLMNOP"),
        ("KLMNOP", "Can I have your PNR?", "ORDER_ID", "KLMNOP"),
        ("card 4111-1111-1111-1111 expires 12/26", None, "CREDIT_CARD", "12/26"),
        ("exp date 09/2027, cvv 123", None, "CREDIT_CARD", "09/2027"),
        ("12/26", "And the expiry date?", "CREDIT_CARD", "12/26"),
        ("i used the coupon with my card, expires 12/26", None, "CREDIT_CARD", "12/26"),
        ("12/26", "When does the card that you used for the offer expire?", "CREDIT_CARD", "12/26"),
        ("card for the sale: 4111 1111 1111 1111, expires 12/26", None, "CREDIT_CARD", "12/26"),
        ("my plate is AB12 CAR", None, "VEHICLE_PLATE", "AB12 CAR"),
        ("998", "The three digits on the back please?", "CREDIT_CARD", "998"),
    ],
)
def test_plates_locators_and_what_a_card_says_besides_its_number_are_found_d6_d7(
    text: str, question: str | None, label: str, value: str
) -> None:
    assert (label, value) in spot(ask(text, question))


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("BY12 o'clock", None),
        ("confirmation code PLEASE", None),
        ("PLEASE", "Can I have your PNR?"),
        ("the 5th, on 12/2/2026", "And the expiry date?"),
        ("the offer is valid until 12/25 with my card", None),
        ("is the coupon valid through 3/25 with any card?", None),
        ("i signed up with the card offer valid till 06-30", None),
        ("the sale expires 10/31, can i pay by card", None),
        ("12/26", "When does the offer expire?"),
        ("10/24", "What is the expiration date of the voucher?"),
        ("my pnr is EXPIRED", None),
        ("ordernumber UNKNOWN", None),
        ("order id INVALID error", None),
        ("the order id is BLANK", None),
        ("buy MX50 PRO now", None),
        ("model GT40 MAX and RT20 LTD", None),
        ("the LG55 OLD tv", None),
        ("the GT86 CAR is red", None),
        ("ON12 THE", None),
        ("wrong plate, i meant the gt40 car", None),
    ],
)
def test_what_only_looks_like_them_is_kept_d11(text: str, question: str | None) -> None:
    assert not [
        found for found in spot(ask(text, question)) if found[0] in {"VEHICLE_PLATE", "CREDIT_CARD", "ORDER_ID"}
    ]
