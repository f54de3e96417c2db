"""English words of the rules."""

from __future__ import annotations

from typing import Final

from sidecar.detection.words.english_frequent import COMMON, ORDINARY
from sidecar.detection.words.table import LanguageWords, phrases_in, words_in

_STREETS: Final = words_in(
    "street st avenue ave av road rd lane ln drive dr boulevard blvd court ct place pl terrace ter way circle cir "
    "highway hwy parkway pkwy square sq trail trl alley crescent cres close grove gardens mews row walk rise turnpike "
    "tpke plaza plz loop pike expressway expy crossing xing route rte broadway cove glen ridge hollow crossings nagar"
)
_REGIONS: Final = phrases_in(
    "al, ak, az, ar, ca, co, ct, de, fl, ga, hi, id, il, in, ia, ks, ky, la, me, md, ma, mi, mn, ms, mo, mt, ne, "
    "nv, nh, nj, "
    "nm, ny, nc, nd, oh, ok, or, pa, ri, sc, sd, tn, tx, ut, vt, va, wa, wv, wi, wy, dc, pr, alabama, alaska, arizona, "
    "arkansas, california, colorado, connecticut, delaware, florida, georgia, hawaii, idaho, illinois, indiana, iowa, "
    "kansas, kentucky, louisiana, maine, maryland, massachusetts, michigan, minnesota, mississippi, missouri, montana, "
    "nebraska, nevada, new hampshire, new jersey, new mexico, new york, north carolina, north dakota, ohio, oklahoma, "
    "oregon, pennsylvania, rhode island, south carolina, south dakota, tennessee, texas, utah, vermont, virginia, "
    "washington, west virginia, wisconsin, wyoming, ontario, quebec, alberta, manitoba, saskatchewan, nova scotia, "
    "british columbia, nsw, vic, qld, usa, us, uk, canada, australia, england, scotland, wales, ireland, india"
)

ENGLISH: Final = LanguageWords(
    nouns={
        "ACCOUNT_ID": phrases_in(
            "account, acct, acc, ac, a c, customer, client, member, membership, subscriber, loyalty, frequent flyer, "
            "bank account, savings account, checking account, savings, checking, routing, sort, rewards, patient, "
            "utility account"
        ),
        "ORDER_ID": phrases_in(
            "order, booking, confirmation, reservation, booking confirmation, purchase order, purchase, ride, invoice, "
            "receipt, transaction, itinerary, record, record locator, rental, rma"
        ),
        "TRACKING_NUMBER": phrases_in("tracking, shipment, parcel, package, consignment, waybill, awb, airway bill"),
        "OTHER_ID": phrases_in(
            "policy, claim, case, ticket, reference, ref, serial, contract, employee, registration, "
            "medical record, incident, complaint, support ticket, "
            "enrollment, voucher, gift card, driver license, drivers license, driving licence"
        ),
        "NATIONAL_ID": phrases_in(
            "social security, national insurance, tax, taxpayer, national id, identity card, social, nhs, vat, "
            "aadhaar, pan card"
        ),
        "PASSPORT": phrases_in("passport"),
        "CREDIT_CARD": phrases_in("credit card, card, debit card, credit, visa, mastercard, amex, cc, bank card"),
        "PHONE": phrases_in(
            "phone, telephone, tel, mobile, cell, cell phone, cellphone, contact, mob, callback, whatsapp, fax, "
            "ph, home phone, "
            "work phone, landline"
        ),
        "ADDRESS": phrases_in("zip, postal, post, house, street, apartment"),
        "VEHICLE_PLATE": phrases_in(
            "license plate, licence plate, number plate, plate, registration plate, vehicle registration, license, "
            "licence"
        ),
        "IBAN": phrases_in("iban"),
        "PASSWORD": phrases_in("pin, access, security, passcode, otp, verification, unlock"),
    },
    number_words=words_in(
        "number numbers no num nr nbr nos id ids code # no. numer nmber numbr identifier locator digits"
    ),
    names={
        "ACCOUNT_ID": phrases_in("accountnumber, acctno, user account id"),
        "ORDER_ID": phrases_in("pnr, po number, ordernumber, order id, booking reference, booking ref"),
        "OTHER_ID": phrases_in("imei, vin, esn, iccid, meid, my id, the id, id number, id no, id"),
        "NATIONAL_ID": phrases_in(
            "ssn, ss, s s n, social security number, nino, itin, ein, tin, sin number, social insurance number"
        ),
        "CREDIT_CARD": phrases_in(
            "cvv, cvv2, cvc, csc, card ending in, card ending with, card ending, digits on the back, "
            "digits at the back, number on the back, code on the back"
        ),
        "PHONE": phrases_in(
            "phone number, my number is, call me at, call me on, reach me at, reach me on, text me at, number to "
            "reach you, "
            "number to call, best number, contact details, call back number"
        ),
        "EMAIL": phrases_in("email, e mail, email address, e mail address, mail id, email id, mail address, emailid"),
        "ADDRESS": phrases_in(
            "zip, zip code, zipcode, postcode, post code, postal code, pincode, pin code, address, street address, "
            "home address, "
            "shipping address, billing address, delivery address, mailing address, where do you live, where should "
            "we send, "
            "where are we delivering, deliver to, area code no, ship to"
        ),
        "DATE_OF_BIRTH": phrases_in(
            "date of birth, dob, birth date, birthdate, birthday, born, d o b, when were you born"
        ),
        "PASSWORD": phrases_in(
            "password, passcode, pass code, pw, pwd, pswd, passwd, passphrase, pin, pin number, otp, "
            "one time password, "
            "onetime password, access code, security code, secret word, security answer, passowrd, pasword, paswd, "
            "pass word, "
            "passward, pass is, clearance code, door code, entry code, code is, code was, "
            "enter the code, verification code, memorable word, name of your first pet, name of the pet, pets name, "
            "pet s name, first pet, childhood pet, pet as a child"
        ),
        "USERNAME": phrases_in(
            "username, user name, user id, userid, login, login id, login name, screen name, handle, usrname, "
            "logon, gamertag, "
            "twitter handle, instagram"
        ),
        "PERSON": phrases_in(
            "name, full name, last name, first name, surname, family name, given name, your name, maiden name, "
            "lastname, "
            "firstname, name of the host, name of the customer, name of the account holder, name of the person, "
            "name of the patient, "
            "name of the passenger, name of the guest, who am i speaking with, who am i talking to, whom am i "
            "speaking, name on the account, name "
            "on the card, "
            "middle name, who is this, name please, middle initial"
        ),
        "IBAN": phrases_in("iban"),
        "ORG": phrases_in(
            "company name, hotel name, restaurant name, brand name, product name, venue name, business name, store "
            "name, "
            "school name, event name, city name, street name, name of the, name of your, model name, bank name, "
            "file name"
        ),
        "VEHICLE_PLATE": phrases_in("license plate is, licence plate is"),
    },
    counted=phrases_in(
        "how many, how much, how long, how old, how far, how often, what time, what size, what price, what "
        "quantity, quantity, "
        "what year, which year, model year, budget, amount, price, cost, what floor, which floor, temperature, "
        "when, what day, "
        "flight id, flight number, flight no, question number, gate number, room number, model number, seat number, "
        "version number, page number, floor number, boarding pass, routing number, error code, promo code, coupon "
        "code, "
        "discount code, part number, what date, which date, how big, rating, rate, scale of, number of people, "
        "number of guests, number of rooms, "
        "number of bedrooms, party size, which plan, what speed, data plan, guests, what model, which model, "
        "bedrooms, bedroom"
    ),
    requests=phrases_in(
        "what, whats, may i, can i, could i, can you, could you, would you, please, provide, enter, give, tell, "
        "need, confirm, "
        "verify, share, type, send, have, your, know, which, is it, spell"
    ),
    fillers=words_in(
        "is was are its it s the a an my our of this that as be would will should number no num nr id code and "
        "also so please "
        "ok okay yes yeah yep yea ya sure hi hello hey well um uh uhh umm oh ah right here hers his her sorry "
        "actually with "
        "under for to in on at ending ends end last first digit digits full correct thats these those still now "
        "think believe "
        "i im am omg ugh ugg gosh god geez "
        "you your us me new old current following below above listed ends from one on-file file associated "
        "linked "
        "called ur thx thanks thank alright cool great gotcha certainly definitely absolutely lemme let see just "
        "only ma'am "
        "mam sir maam dear again same like have has got"
    ),
    common=COMMON,
    ordinary=ORDINARY,
    links=words_in(
        "is was are were its it s the a my our your of this that as be would will should number no num nr nbr id "
        "code ends "
        "ending end with in last first digits digit full correct here also and actually either maybe might could "
        "think uh um "
        "uhh uhhh uhhhh believe yes for on file currently now changed new old old both following equals so just try"
    ),
    enumerated=words_in(
        "pro max plus mini ultra lite xl se room rooms floor model question page gate terminal flight route bus "
        "train section chapter version size "
        "level grade class "
        "part top step option windows iphone galaxy ps xbox playstation channel episode season food hotel shopping "
        "travel "
        "boarding meals lunch dinner total amount sum price costs cost budget balance credits seat row table item "
        "items "
        "score points grand version build release kernel python java usb hdmi wifi series chapter verse psalm "
        "article day "
        "year area unit suite apt apartment ext extension up under below above over around about than least most only "
        "transfer pay paid spend spent worth save charged withdraw deposit deposited withdrew charge bought sold "
        "another"
    ),
    units=words_in(
        "aed sar chf sek nok dkk pln czk huf jpy cny aud cad nzd sgd hkd zar brl mxn thb php idr myr egp ngn kes "
        "pkr lkr bdt "
        "am pm gb mb tb kb kg g mg lb lbs oz ml l cm mm m km mi ft inch inches in mph kmh percent dollars dollar "
        "usd eur euro "
        "euros pounds gbp bucks cents rs inr rupees credits points minutes minute min mins hours hour hrs hr "
        "seconds sec days "
        "day weeks week months month years year yrs yr old people persons person guests kids adults children "
        "pieces pcs items "
        "boxes bags pizza pizzas x k times pages miles meters metres kilometers blocks rooms bedrooms bedroom beds "
        "bath stops "
        "degrees celsius fahrenheit cal cals kcal calories "
        "c f o'clock oclock hp cc watts w volts v mbps gbps mhz ghz hz px dpi fps th st "
        "nd rd s "
        "checks cheques copies units sets set keyboards burgers fries drinks sodas cups stars floor floors shares "
        "employees"
    ),
    digits={
        "zero": "0",
        "oh": "0",
        "o": "0",
        "nought": "0",
        "one": "1",
        "two": "2",
        "three": "3",
        "four": "4",
        "five": "5",
        "six": "6",
        "seven": "7",
        "eight": "8",
        "nine": "9",
        "niner": "9",
        "ten": "10",
        "eleven": "11",
        "twelve": "12",
        "thirteen": "13",
        "fourteen": "14",
        "fifteen": "15",
        "sixteen": "16",
        "seventeen": "17",
        "eighteen": "18",
        "nineteen": "19",
        "twenty": "20",
        "thirty": "30",
        "forty": "40",
        "fifty": "50",
        "sixty": "60",
        "seventy": "70",
        "eighty": "80",
        "ninety": "90",
        "double": "x2",
        "triple": "x3",
        "hundred": "00",
    },
    months=words_in(
        "january february march april may june july august september october november december jan feb mar apr jun "
        "jul aug "
        "sep sept oct nov dec"
    ),
    birth=phrases_in("born, dob, date of birth, birth date, birthdate, birthday, d o b, birth"),
    streets=_STREETS,
    street_units=words_in("apt apartment unit suite ste floor fl flat room rm bldg building lot level #"),
    regions=_REGIONS,
    at_words=("at",),
    dot_words=("dot", "period", "point"),
    introductions=phrases_in("my name is, my name s, my names, name is, myself, my full name is, name on it is"),
)
