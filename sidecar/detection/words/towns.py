"""The largest towns of countries that write postcode and town side by side. Pure data, folded.

For texts in lower case: there, only such a name tells an address from two numbers beside each other.
"""

from __future__ import annotations

from typing import Final

from sidecar.detection.words.table import words_in

TOWNS: Final = frozenset(
    words_in(
        "berlin hamburg munchen munich koln cologne frankfurt stuttgart dusseldorf dortmund essen leipzig bremen "
        "dresden hannover hanover nurnberg nuremberg duisburg bochum wuppertal bielefeld bonn munster karlsruhe "
        "mannheim augsburg wiesbaden gelsenkirchen monchengladbach braunschweig chemnitz kiel aachen magdeburg "
        "freiburg krefeld lubeck oberhausen erfurt mainz rostock kassel hagen saarbrucken potsdam ludwigshafen "
        "oldenburg leverkusen osnabruck solingen heidelberg darmstadt regensburg wurzburg ingolstadt ulm heilbronn "
        "gottingen wolfsburg jena wien vienna graz linz salzburg innsbruck klagenfurt zurich zuerich genf geneve "
        "geneva basel bern lausanne winterthur luzern muenchen koeln duesseldorf nuernberg warszawa warsaw krakow "
        "lodz wroclaw poznan gdansk szczecin bydgoszcz lublin bialystok katowice gdynia czestochowa radom torun "
        "sosnowiec kielce rzeszow gliwice zabrze olsztyn bytom opole madrid barcelona valencia sevilla seville "
        "zaragoza malaga murcia bilbao alicante cordoba valladolid vigo gijon granada oviedo pamplona almeria "
        "donostia santander salamanca paris marseille lyon toulouse nantes montpellier strasbourg bordeaux lille "
        "rennes reims toulon grenoble dijon angers nimes villeurbanne bruxelles brussel brussels antwerpen gent "
        "gand liege brugge namur leuven charleroi roma rome milano milan napoli naples torino turin palermo genova "
        "genoa bologna firenze florence bari catania verona venezia venice messina padova trieste brescia parma "
        "modena perugia cagliari bergamo kobenhavn copenhagen aarhus odense aalborg esbjerg oslo bergen trondheim "
        "stavanger drammen tromso stockholm goteborg malmo uppsala lillestrom eidsvoll moss sion martigny zaventem "
        "helsinki helsingfors tampere turku espoo praha prague brno budapest"
    )
)
