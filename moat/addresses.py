"""Which addresses of the network may be fetched from: public ones, in whatever form they are written."""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4: any IPv4 address can hide in it
        "2001:db8::/32",
        "3fff::/20",
    )
)
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")
)
# Where clouds answer with credentials beside the link-local address: not even an allowed host may be there.
_METADATA = ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192")
_NEVER = tuple(map(ipaddress.ip_address, (*_METADATA, "255.255.255.255")))
_ISATAP = (0x00005EFE, 0x02005EFE)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.I)
_STRICT_V4 = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")


def is_public(address: Address) -> bool:
    """Tell whether an address is of the open internet, also when it carries another one inside."""
    if isinstance(address, ipaddress.IPv4Address):
        refused = any(address in network for network in _REFUSED_V4)
        return address.is_global and not address.is_multicast and not refused
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _GLOBAL_UNICAST or any(address in network for network in _REFUSED_V6):
        return False
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return address.is_global and not address.is_multicast


def is_never_a_server(address: Address) -> bool:
    """Tell an address that not even an allowed host may have: link-local and other cloud metadata, multicast, none."""
    found = _carried(address) or address
    return found in _NEVER or found.is_link_local or found.is_multicast or found.is_unspecified


def _carried(address: Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that a network would take out of an IPv6 one and go to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def is_disguised(host: str) -> bool:
    """Tell a host that the system reads as a number though it is no plain address: 2130706433, 0x7f.1, 0177.0.0.1."""
    last = host.rstrip(".").rsplit(".", 1)[-1]
    return _NUMBER.fullmatch(last) is not None and _STRICT_V4.fullmatch(host) is None
