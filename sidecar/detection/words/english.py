"""English words of the rules."""

from __future__ import annotations

from typing import Final

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
        "ORDER_ID": phrases_in("pnr, po number, ordernumber, order id"),
        "OTHER_ID": phrases_in("imei, vin, esn, iccid, meid, my id, the id, id number, id no, id"),
        "NATIONAL_ID": phrases_in(
            "ssn, ss, s s n, social security number, nino, itin, ein, tin, sin number, social insurance number"
        ),
        "CREDIT_CARD": phrases_in("cvv, cvc, card ending in, card ending with, card ending"),
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
            "password, passcode, pass code, pwd, pswd, passwd, passphrase, pin, pin number, otp, one time password, "
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
        "i im am you your us me new old current following below above listed ends from one on-file file associated "
        "linked "
        "called ur thx thanks thank alright cool great gotcha certainly definitely absolutely lemme let see just "
        "only ma'am "
        "mam sir maam dear again same like have has got"
    ),
    common=words_in(
        "yes no yeah yep nope nah ok okay sure thanks thank you thx ty please hi hello hey hai bye goodbye good "
        "morning "
        "evening afternoon night fine great perfect cool nice awesome correct right wrong sorry what who why when "
        "where how "
        "which i im me my mine we us our it its is was are be am do does did don't dont can't cant can could would "
        "will "
        "won't not none nothing never maybe idk know sure think guess the a an and or but if so then than that "
        "this these those "
        "there here to of in on at by for with from as about into over any some all both each more most other such "
        "only own "
        "same too very just now still also already again please help need want like get got give make take see "
        "look tell say "
        "said call wait hold moment minute second sec later today tomorrow yesterday time day week month year one "
        "two three "
        "account number order name card email phone address zip code password pin username login ssn credit debit bank "
        "money service internet cable plan data bill payment pay cash price cost pizza burger drink flight ticket seat "
        "boarding pass booking reservation confirmation policy claim insurance car home house work office company "
        "customer agent "
        "sir madam mam maam ma'am dear friend problem issue question answer working broken screen computer software "
        "large small medium size big little new old same different first last next previous current monthly check "
        "checking "
        "savings statement balance transfer change update cancel close open send receive lost stolen report fraud nope "
        "absolutely definitely certainly alright gotcha hmm hm um uh oh ah wow lol haha ha yup ya yea u r ur pls plz k "
        "because since until before after during while up down out off back away again once done finished complete "
        "don t ll ve re didn doesn isn wasn couldn wouldn haven hasn ain aren won shouldn either maybe easy room "
        "food gate "
        "anything something everything someone anyone everyone nobody somebody else enough many much few lot lots "
        "has have had having been being were let lets let's it's i'm i'll i've i'd that's what's there's he she "
        "they them "
        "his her their him red blue green black white yellow orange brown gray grey pink purple north south east west "
        "monday tuesday wednesday thursday friday saturday sunday am pm morning noon midnight hour hours minutes days "
        "go going come coming went gone find found use using used try trying tried forgot forget forgotten remember "
        "apartment ride taxi hospital doctor appointment meeting party restaurant dinner lunch breakfast table weather "
        "airport university walk walking bus train driver driving balcony elevator none neither either both always "
        "dunno "
        "hang sec yet really actually well how're fine good bad ready confirm confirmed agree agreed accept decline "
        "skip stop start continue proceed repeat online store app website page link mail text message chat live "
        "speak talk"
    ),
    ordinary=words_in(
        "able accept accepted access across act action actually add added address addresses advance afraid after "
        "age ago agree "
        "ahead alert alone along already although always amazing among amount angry announce annoying another "
        "anyway anywhere "
        "app appear apply appreciate area arrive arrived arriving art aside asked asking assist assistance "
        "attached attention "
        "available avoid aware awful bag balance ball based basically bear beautiful became become bed beginning "
        "behind believe "
        "below best better between beyond bit block blocked body boss bother bottom bought box boy bring broke "
        "broken brother "
        "brought build building built burn business busy button buy buying called calling cancelled card care "
        "careful case catch "
        "caught cause center certain chance charge charged chat cheap checked child children choice choose city "
        "class clear "
        "clearly click coffee cold color colour common complain complaint complete completely concern concerned "
        "condition "
        "connection consider contact contacted control copy cost could count country couple course cover covid "
        "crazy create "
        "cut daily damage damaged danger dark dated daughter dead deal decide decided deep delay delayed delete "
        "delivered "
        "delivery department depends describe details device died difference difficult direct direction directions "
        "disappointed "
        "discount discuss dog dollars door double doubt drive dropped due dumb during each earlier early easily "
        "east easy eat "
        "effect either else emergency empty end ended enjoy entire entrance error especially even event ever exact "
        "exactly "
        "example excellent except excited excuse expect expected expensive experience explain extra eye face fact "
        "failed fair "
        "fall family far fast father fault feel feeling feet fell felt figure file filed filled final finally fire "
        "fix fixed "
        "follow following food fool foot forever form former forward free friend friends front full fun funny "
        "future game gave "
        "general girl given glad god goes gonna gosh gotta grab group guess guests guy guys half hand handle hands "
        "happen "
        "happened happens happy hard hate head hear heard heart heavy held helped helpful helping hi high highly "
        "him himself hold "
        "holding holiday honestly horrible host hosts hotel hour human hungry hurry hurt husband idea ideas "
        "imagine immediately "
        "important impossible inch include included including incorrect information inside instead interested into "
        "invite "
        "involved item items job join joke keep keeps kept key kid kids kill kind knew knowing known lady land "
        "language late "
        "later latest laugh lead learn least leave leaving led left legal less letter level license lie life light "
        "line list "
        "listen listening live lives living local location log logged lonely long look looked looking looks lose "
        "losing loud love "
        "lower luck lucky made mail main make makes making man manage manager married matter mean means meant meet "
        "member men "
        "mention met middle mind minimum miss missed missing mistake model mom moment mother move moved moving "
        "much must name "
        "names near necessary needed needs neighbor news normal normally note notes notice notification number "
        "numbers nothing "
        "obviously offer offered office often oh ones ooh oops open opened opinion option options ordered orders "
        "original other "
        "others ought outside owe owner package page paid pain paper parents park part particular partner parts "
        "pass passed past "
        "pay paying payments peace people perhaps period permission person personal pet pets phone phones photo "
        "pick picked "
        "picture piece pin place places plan plane plans plate play played playing pleasure plus point police "
        "policy poor "
        "popular position possible possibly post power prefer preferably preferred prepare present press pretty "
        "previously "
        "private probably problems process product products promise promised proof proper properly provide "
        "provided pull "
        "purchase purchased push put quality questions quick quickly quiet quite raise ran rather reach reached "
        "read reading "
        "reason reasons receipt receive received recent recently recommend record refund refunded regarding registered "
        "regular related relax remove removed rent replace replacement reply report request requested reserve "
        "reset resolve "
        "respond response rest restart result return returned ride rides ridiculous room rooms rude rule rules run "
        "running rush "
        "sad safe said salary sale sale sat save saw saying says scared schedule scheduled school seat seconds "
        "secret section "
        "security seeing seem seems seen selected sell sending sense sent separate serious seriously served set "
        "several share "
        "she shipped shipping shipment shop shopping shot should shoulder show showed showing shows shut sick side "
        "sign signed "
        "silly similar simple simply since single sister sit site situation size slow slowly smart smell soft sold "
        "solve "
        "somehow someone sometime sometimes somewhere son soon sort sound sounds space speaking special specific "
        "spell spend "
        "spent spoke staff stand standard standing started starting state stay staying step steps stick stolen "
        "store story "
        "strange street strong stuck stuff stupid such sudden suddenly suggest sun supervisor supply support "
        "suppose supposed "
        "surely surprise sweet switch system taken takes taking talked talking tax team technical tell telling ten "
        "terrible "
        "test texted than thanked them themselves therefore they thing things thinking third though thought three "
        "through throw "
        "thus tickets till tired together told tonight too took top total totally touch toward town track traffic "
        "travel trip "
        "trouble true truly trust truth turn turned tv twice two type under understand understood unfortunately "
        "unhappy unless "
        "until upset urgent use useful user usual usually vacation value various venue version via video visit "
        "voice wanna "
        "wanted wants warranty wash watch water way ways weekend weird welcome went wife win window wish within "
        "without woman "
        "women wonder wonderful wondering won't word words wore worked works world worried worry worse worst worth "
        "wow write "
        "writing written wrote yard years yesterday yet young yours yourself zero meant weren isn hadn needn ought "
    ),
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
        "degrees celsius fahrenheit c f o'clock oclock hp cc watts w volts v mbps gbps mhz ghz hz px dpi fps th st "
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
