"""One of everything that redaction masks, none of it anybody's."""

CANARIES = {
    "email": "zeta.canary@mail.example.org",
    "phone": "+49 30 901820",
    "card": "4539 1488 0343 6467",
    "iban": "DE89 3704 0044 0532 0130 00",
    "national_id": "536-90-4399",
    "ip": "203.0.113.77",
    "secret": "AKIAIOSFODNN7CANARYX",
}


def letter() -> str:
    """Write a text that holds every canary, one a paragraph."""
    return "\n\n".join(f"Paragraph about the {kind} of a person: {value} and more." for kind, value in CANARIES.items())
