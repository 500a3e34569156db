"""The settings of the API: where it listens, whom it believes, what it bounds, how often it may be called."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from moat.section import Section

PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]
_ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:\d{1,5})?|'self'")


def _is_proxy(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text[:100]!r} is no address and no network such as 10.0.0.0/24") from error
    if network.prefixlen == 0:
        raise ValueError(f"{text} is every address there is; name the proxy's own")
    return text


def _is_origin(text: str) -> str:
    if _ORIGIN.fullmatch(text.lower()) is None:
        raise ValueError(f"{text[:100]!r} is no origin such as https://intranet.example.com")
    return text.lower()


class ApiSettings(Section):
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address the API binds; beyond loopback it takes tls_certificate, or trusted_proxies.",
    )
    port: int = Field(8420, ge=0, le=65_535, description="Port of the API; 0 takes a free one.")
    public_url: str = Field("", description="Address people reach the API by, when it is not the one it binds.")
    tls_certificate: Path | None = Field(None, description="PEM file with the certificate and those that issued it.")
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key.")
    tls_key_password: SecretStr = Field(SecretStr(""), description="Password of tls_key, if it has one.")
    trusted_proxies: tuple[Annotated[str, AfterValidator(_is_proxy)], ...] = Field(
        (),
        description="Addresses or networks of proxies with TLS; X-Forwarded-For and -Proto are read from these alone.",
    )
    frame_ancestors: tuple[Annotated[str, AfterValidator(_is_origin)], ...] = Field(
        (), description="Origins whose pages may show Moat's page in a frame; none by default."
    )
    hsts_s: int = Field(31_536_000, ge=0, description="How long browsers keep to https once seen; 0: not told.")
    max_body_bytes: int = Field(2_000_000, ge=1_000, description="Largest body of any request but an upload.")
    max_header_bytes: int = Field(32_768, ge=4_096, le=1_000_000, description="Largest header of a request.")
    max_connections: int = Field(1_000, ge=1, description="Connections at once in one process; more get 503.")
    header_timeout_s: PositiveSeconds = Field(20, description="Longest that the header of a request may take.")
    body_timeout_s: PositiveSeconds = Field(
        60, description="Longest that a body may take, beside the time that min_body_bytes_per_s allows it."
    )
    min_body_bytes_per_s: int = Field(2_000, ge=1, description="Slowest pace of a body once body_timeout_s is over.")
    max_question_chars: int = Field(20_000, ge=100, description="Longest question accepted.")

    @model_validator(mode="after")
    def _has_both_files(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("state both tls_certificate and tls_key, or neither")
        return self


class RatesSettings(Section):
    """How many calls are taken in any `window_s` seconds; 0 switches a limit off."""

    window_s: int = Field(10, ge=1, le=3_600, description="Seconds that the limits below are for.")
    per_key: int = Field(600, ge=0, le=100_000, description="Calls with one key or token.")
    per_user: int = Field(600, ge=0, le=100_000, description="Calls of one user, with whichever keys.")
    per_address: int = Field(1_200, ge=0, le=100_000, description="Calls from one address, or one IPv6 /64.")
    at_once: int = Field(
        200,
        ge=0,
        le=100_000,
        description="Calls of one key, or of one address without keys, under way in one process: streams are calls.",
    )
    refusal_s: float = Field(
        1.0,
        ge=0,
        le=10,
        description="How long a refusal is held back, so that who calls on and on cannot keep us busy.",
    )
