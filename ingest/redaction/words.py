"""E-mail addresses, telephone numbers and secrets."""

import re
from collections.abc import Iterator
from functools import cache

Span = tuple[int, int]

_EMAIL = re.compile(
    r"(?<![\w.+%'-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![\w-])"
)
# Seven to fifteen digits with what people write between them.
_PHONE = re.compile(
    r"(?<![\w.,:/$€£@#=-])(?:\+|00)?\(?\d(?:[ \t./()\u00a0\u2010-\u2013-]{0,3}\d){6,14}"
    r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w@]|[-./,:]\d)"
)
_PHONE_WORDS = re.compile(
    r"\b(phone|telephone|tel|call(ed|ing)?|mobile|cell|fax|sms|text me|texts?|whatsapp|dial|hotline|contact|reach|ring"
    r"|number is|numbers?|messages?|answering|telefon|rufnummer|handy|mobil|téléphone|teléfono|telefono)\b",
    re.I,
)
_PHONE_BEHIND = re.compile(r"[\s\\,(-]{0,3}(office|fax|mobile|cell|home|work)\b", re.I)
_OTHER_WORDS = re.compile(r"\b(licen[cs]e|passport|account|zip|card|suite|address|order|invoice|policy|serial)\b", re.I)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:[0-2]?\d|3[01])"
    r"|(?:[0-3]?\d)[-./ ](?:[0-3]?\d)[-./ ](?:19|20)\d\d)\b"
)
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "AU", "CH")
_NEAR = 50
_SUREST_DIGITS = 10

# A password or key that is given right behind its name; detect-secrets' own rule for it reports every such word.
_NAMED = re.compile(
    r"(?i)\b(?:pass(?:word|wd|phrase)|secret(?:[_ -]?key)?|api[_ -]?key|access[_ -]?(?:key|token)|auth[_ -]?token|"
    r"client[_ -]?secret|private[_ -]?key|bearer)\b[\"']?\s*(?::=|=>|[:=]|\bis\b|\s)\s*[\"'`]?"
    r"(?P<secret>[^\s\"'`,;<>]{8,200})"
)
_PRIVATE = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.S,
)
# A token is a long run without blanks; a password in an address follows `://`.
_WORTH_A_LOOK = re.compile(r"[\w./+=:-]{16}|://")
_PLUGINS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
_MORE = (
    re.compile(r"\bsk-(?:ant|proj|svcacct)?[A-Za-z0-9_-]{20,}"),
    re.compile(r"\bgithub_pat_\w{30,}"),
    re.compile(r"\bAIza[\w-]{35}"),
)


def emails(text: str) -> Iterator[Span]:
    """Find e-mail addresses, also with letters beyond ASCII."""
    if "@" in text:
        yield from (match.span() for match in _EMAIL.finditer(text))


def phones(text: str) -> Iterator[Span]:
    """Find numbers that phonenumbers knows as valid, and those of a phone's length beside a word that says so."""
    for match in _PHONE.finditer(text):
        found = match[0]
        if _DATE.fullmatch(found):
            continue
        before = text[max(0, match.start() - _NEAR) : match.start()]
        named = _PHONE_WORDS.search(before) and not _OTHER_WORDS.search(before)
        if named or _PHONE_BEHIND.match(text, match.end()) or _is_valid(found):
            yield match.span()


def _is_valid(found: str) -> bool:
    import phonenumbers  # its tables of every country's numbers are large

    digits = sum(c.isdigit() for c in found)
    if not found.startswith("+") and (digits < _SUREST_DIGITS or (found.isdigit() and found[0] != "0")):
        return False  # a short or bare number without any word beside it may count anything
    regions = (None,) if found.startswith("+") else _REGIONS
    for region in regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(found, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def secrets(text: str) -> Iterator[Span]:
    """Find private keys, tokens of the services that detect-secrets knows, and passwords given by name."""
    yield from (match.span() for match in _PRIVATE.finditer(text))
    for pattern in (*_known_tokens(), *_MORE) if _WORTH_A_LOOK.search(text) else ():
        for match in pattern.finditer(text):
            yield match.span(1) if pattern.pattern.startswith("://") else match.span()  # the address itself stays
    for match in _NAMED.finditer(text):
        if _is_secret_like(match["secret"]):
            yield match.span("secret")


def _is_secret_like(word: str) -> bool:
    """Tell a secret from the next word of a sentence about secrets: two kinds of characters besides small letters."""
    kinds = (any(c.isdigit() for c in word), any(c.isupper() for c in word), any(not c.isalnum() for c in word[:-1]))
    return kinds[0] and len(word) >= 8 and (sum(kinds) >= 2 or len(word) >= 16)


@cache
def _known_tokens() -> tuple[re.Pattern[str], ...]:
    from importlib import import_module

    patterns: list[re.Pattern[str]] = []
    for module, name in _PLUGINS.items():
        patterns += getattr(import_module(f"detect_secrets.plugins.{module}"), name).denylist
    return tuple(patterns)
