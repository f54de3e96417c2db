"""Words from which surrogates are made. Common, and of nobody in particular."""

from __future__ import annotations

from typing import Final

GIVEN_NAMES: Final = (
    "Alex", "Amira", "Andrea", "Anton", "Ava", "Benjamin", "Camille", "Carlos", "Chloe", "Dana", "Daniel", "Diego",
    "Elena", "Elif", "Emil", "Emma", "Ethan", "Eva", "Felix", "Finn", "Gabriel", "Hana", "Hannah", "Hugo", "Ines",
    "Isaac", "Ivan", "Jana", "Jonas", "Julia", "Kai", "Karim", "Kavya", "Laila", "Lara", "Leo", "Lena", "Liam", "Lina",
    "Lucas", "Maja", "Marco", "Maria", "Maya", "Mila", "Nadia", "Nina", "Noah", "Nora", "Oliver", "Omar", "Paula",
    "Priya", "Rafael", "Rania", "Ravi", "Robin", "Sam", "Sara", "Sofia", "Tara", "Theo", "Yara", "Zoe",
)  # fmt: skip
FAMILY_NAMES: Final = (
    "Adams", "Ahmed", "Alvarez", "Andersen", "Baker", "Barros", "Becker", "Bianchi", "Carter", "Chen", "Clark", "Costa",
    "Dubois", "Eriksen", "Evans", "Fischer", "Fontaine", "Garcia", "Gupta", "Hansen", "Haddad", "Hill", "Hoffman",
    "Ito", "Jansen", "Jones", "Kaya", "Keller", "Khan", "Kim", "Kovac", "Larsen", "Lee", "Lopez", "Martin", "Meyer",
    "Mitchell", "Mori", "Moreau", "Nguyen", "Novak", "Okafor", "Olsen", "Patel", "Perez", "Petrov", "Popescu", "Ramos",
    "Reed", "Rossi", "Roth", "Santos", "Sharma", "Silva", "Singh", "Suzuki", "Taylor", "Torres", "Turner", "Walker",
    "Weber", "Wilson", "Wood", "Young",
)  # fmt: skip
STREETS: Final = (
    "Acacia", "Birch", "Cedar", "Chestnut", "Church", "Elm", "Garden", "Hill", "Lake", "Linden", "Maple", "Meadow",
    "Mill", "Oak", "Park", "River", "School", "Spring", "Station", "Willow",
)  # fmt: skip
TOWNS: Final = (
    "Ashford", "Brookfield", "Clearwater", "Eastbrook", "Fairview", "Glenwood", "Highfield", "Kingsbury", "Lakeside",
    "Milltown", "Northgate", "Oakham", "Riverton", "Southport", "Springfield", "Westbury",
)  # fmt: skip
COMPANIES: Final = (
    "Acme Trading", "Bluebird Foods", "Cobalt Systems", "Delta Freight", "Evergreen Supplies", "Falcon Works",
    "Granite Tools", "Harbor Goods", "Juniper Labs", "Keystone Media", "Lighthouse Travel", "Summit Hardware",
)  # fmt: skip
PRODUCTS: Final = (
    "Classic Lamp", "Compact Kettle", "Everyday Backpack", "Folding Chair", "Garden Hose", "Portable Speaker",
    "Steel Bottle", "Travel Pillow", "Wall Clock", "Winter Jacket", "Wireless Mouse", "Yoga Mat",
)  # fmt: skip
