"""The settings of sign-in with an OpenID Connect issuer."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from moat.section import Section

# Asymmetric ones alone: with HS256 here, the issuer's public key would be a secret to sign with.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_address(url: str) -> str:
    """Refuse an address over which somebody on the way could hand out keys of their own."""
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    is_plain = parts.hostname and parts.port != 0 and not (parts.username or parts.query or parts.fragment)
    if url and not (is_safe and is_plain):
        raise ValueError("must be https://HOST[:PORT][/PATH]; http is taken on this machine's own addresses alone")
    return url


Address = Annotated[str, AfterValidator(check_address)]


class OidcSettings(Section):
    """Whose tokens let people in; without an issuer, keys alone do."""

    issuer: Address = Field("", description="The issuer exactly as its tokens name it in 'iss'; empty: keys alone.")
    audience: tuple[str, ...] = Field((), description="What 'aud' must name one of: the client id given to Moat.")
    jwks_url: Address = Field("", description="Where the issuer's keys are; empty: its discovery document says it.")
    algorithms: tuple[Algorithm, ...] = Field(
        ("RS256", "ES256"), min_length=1, description="Signatures accepted; asymmetric ones alone."
    )
    user_claim: str = Field("sub", min_length=1, description="Claim that names the user; a.b looks into a.")
    user_prefix: str = Field("", max_length=100, description="Put before the name, where keys name other people alike.")
    groups_claim: str = Field("groups", min_length=1, description="Claim with the list of groups; a.b looks into a.")
    groups: dict[str, tuple[str, ...]] = Field(
        {}, description="The issuer's group, and Moat's groups it stands for; empty: they are taken as they are."
    )
    scopes: tuple[Literal["read", "ask", "upload"], ...] = Field(
        ("read", "ask"), description="What everybody with a token may do."
    )
    upload_groups: tuple[str, ...] = Field((), description="Groups of Moat whose members may upload too.")
    admin_groups: tuple[str, ...] = Field((), description="Groups of Moat whose members are admins.")
    leeway_s: float = Field(30, ge=0, le=300, description="How far the issuer's clock may be off.")
    single_use: bool = Field(False, description="Take each token once, by its 'jti'; for one made for every call.")
    ca_file: Path | None = Field(None, description="Certificates (PEM) that the issuer's is checked against.")
    timeout_s: float = Field(5, gt=0, le=60, description="Longest that one fetch of keys may take.")
    refresh_s: float = Field(300, ge=1, le=86_400, description="Age at which the issuer's keys are fetched again.")
    keep_s: float = Field(3_600, ge=1, le=604_800, description="How long they serve while the issuer is away.")
    retry_s: float = Field(30, ge=1, le=3_600, description="Shortest time between fetches for a key not known.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.issuer and not self.audience:
            raise ValueError("audience is needed with an issuer: a token made for another service would be taken")
        return self
