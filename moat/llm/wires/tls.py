"""One TLS context for all clients: making it reads every root certificate of the machine."""

import ssl
from functools import cache

import httpx


@cache
def tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
