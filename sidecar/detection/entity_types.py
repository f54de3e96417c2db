"""The entity types on the wire, in configuration and in metrics (detection requirements, first section)."""

from __future__ import annotations

from typing import Final

ENTITY_TYPES: Final = (
    "PERSON", "ADDRESS", "LOCATION", "PRODUCT", "ORG", "EMAIL", "PHONE", "USERNAME", "PASSWORD", "ORDER_ID",
    "ACCOUNT_ID", "CREDIT_CARD", "IBAN", "NATIONAL_ID", "DATE_OF_BIRTH", "DATE", "URL", "IP", "OTHER_ID", "SECRET",
    "PASSPORT", "VEHICLE_PLATE", "MAC", "CRYPTO_WALLET", "GEO_POINT", "TRACKING_NUMBER",
)  # fmt: skip

ERASED: Final = "ERASED"
"""What belongs to a person who was erased, whatever it was found as. No recognizer finds it, no policy changes it."""

INDIRECT_TYPES: Final = frozenset({"PRODUCT", "ORG", "LOCATION", "DATE"})
"""Not identifying on their own. PRODUCT is redacted by default all the same."""

DIRECT_TYPES: Final = frozenset(ENTITY_TYPES) - INDIRECT_TYPES
DEFAULT_TYPES: Final = DIRECT_TYPES | {"PRODUCT"}
