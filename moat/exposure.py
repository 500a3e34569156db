"""Whether the API may listen where the settings say: beyond this machine, only behind TLS."""

import ipaddress
import socket
import ssl

from moat.api_settings import ApiSettings
from moat.errors import InvalidRequest

_HINT = (
    "Give MOAT_API__TLS_CERTIFICATE and MOAT_API__TLS_KEY, or put a proxy with TLS in front and name its address in "
    "MOAT_API__TRUSTED_PROXIES (or keep to 127.0.0.1, with the proxy on this machine)."
)


def check_exposure(api: ApiSettings) -> None:
    """Raise InvalidRequest when keys and documents would cross a network in the clear, or the certificate is no use."""
    if api.tls_certificate is not None:
        tls_context(api)
    elif not api.trusted_proxies and not is_loopback(api.host):
        raise InvalidRequest(f"The API would listen on {api.host}, beyond this machine, without TLS.", _HINT)


def is_loopback(host: str) -> bool:
    """Tell whether a host, however it is written, is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def tls_context(api: ApiSettings) -> ssl.SSLContext:
    """Load the certificate and its key, or raise InvalidRequest saying which cannot be used."""
    assert api.tls_certificate is not None  # noqa: S101 (the caller looked)
    assert api.tls_key is not None  # noqa: S101 (the settings demand both)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = api.tls_certificate.expanduser(), api.tls_key.expanduser()
    try:
        context.load_cert_chain(certificate, key, api.tls_key_password.get_secret_value)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise InvalidRequest(
            f"TLS cannot be served with {certificate} and {key}: {error}",
            "Both must be PEM files that this user may read, and the key must be the certificate's.",
        ) from error
    return context
