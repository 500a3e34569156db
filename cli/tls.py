"""How the command knows the server of its own home: by the very certificate that its settings name."""

import ssl


def trusting(certificate: str) -> ssl.SSLContext:
    """Trust the certificates of this file and no others, whatever name they are for: the caller knows the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be an issuer's own
    return context
