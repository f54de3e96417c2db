"""Everyday words that are names too, or that a name field may hold by accident. Pure data.

A known name that is one of these is masked alone only where it is written like a name, or is all of a message (D11).
"""

from __future__ import annotations

from typing import Final

from sidecar.detection.words.table import words_in

ALSO_NAMES: Final = frozenset(
    words_in(
        "may will mark rose hope grace summer autumn winter spring art bill june april august march young long short "
        "strong white black brown green gray grey king queen prince price rich hill lake field wood woods forest "
        "rivers stone rock sand beach wells bush snow ray dawn eve star moon joy faith charity patience angel heaven "
        "christian pope bishop church law power swift chance chase hunter fisher cook baker butler carter taylor mason "
        "miller smith page book small little frank ernest pat bob rob nick jack dean dale glen cliff drew sue mike "
        "peg penny rusty sandy guy buddy max iris lily violet daisy ivy olive ginger pepper basil rosemary sage amber "
        "ruby pearl crystal jade jasmine melody harmony carol bell"
    )
)
"""Everyday words that people are called, and that answer a question for a name with nothing else."""

_FUNCTION_WORDS: Final = frozenset(
    words_in(
        "ab am an da du er es ob im in ja je so um wo zu ca ne na "  # German
        "au ce ci de du en es et eu il je la le ma me ne ni nu on or ou sa se si su ta te tu un va as "  # French
        "al de di el en es ha la le lo me mi ni no os se si su te ti tu un va ve ya yo da "  # Spanish
        "ao as da de do em eu ha ja la me na no os oi ou pe se so te ti tu um vi "  # Portuguese
        "ad al ci da di do il in io la le lo ma me mi ne no od se si so su te ti tu un va vi "  # Italian
        "al de en er ge ik in is ja je me nu of om op te uw we ze zo zn "  # Dutch
        "ad af at av da de du ei en er et fa ha ja ma na ni nu og om op pa sa se ta ud ut vi ar an "  # Nordic
        "po od za ze ty wy my mi go sa to "  # Polish
    )
)
"""Of two letters, folded. Not "bo", "ed", "ho", "jo" and "li", which are names more often than they are such words."""

EVERYDAY: Final = (
    ALSO_NAMES
    | _FUNCTION_WORDS
    | frozenset(
        words_in(
            "blue gold silver poor best good day night river rain sunny storm precious case love loving sharp "
            "large big low high wise smart noble earnest dick bucks cash sunday monday friday major minor general "
            "min ring the and for you not but can could would should has had have was were this that with from "
            "they she him her his its one two three four five six seven eight nine ten new old yes ok okay hi "
            "hello hey thanks thank please sorry sir order name phone email address account number help need want "
            "like get got give make take see know think time week month year home house work office company "
            "customer agent service card money payment city state street road avenue he id pm tv uk us ex ah eh "
            "oh uh hm mm re pc vs st rd dr mr ms ai our your it are be did up by if all any out now how who why "
            "what when where which great fine nice cool perfect right wrong same other more most less few many "
            "much done gone north south east west bank park place court land ford banks parks banner singer "
            "potter porter parker cooper turner walker gardner archer piper rider ryder marshal marshall sergeant "
            "earl duke knight pilgrim monk abbey close holiday merry gay happy bright moody stern savage wild "
            "wolf fox bear bird crane drake finch hawk lamb lyon swan wren bass pike trout roach salmon berry "
            "plum cherry apple lemon peach honey candy sugar brandy sherry kitty misty stormy windy china india "
            "paris london jordan israel chad georgia carolina virginia dakota austin dallas houston madison "
            "lincoln washington jackson brooklyn chelsea sydney florence vienna victoria regina alma mercedes "
            "porsche lexus royce bentley "
        )
    )
)
