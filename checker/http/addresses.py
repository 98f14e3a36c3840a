"""Which addresses the checker may connect to. The address that is connected to is judged, never the name."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# Where clouds answer a machine with its credentials. No monitor and no channel has business there.
_METADATA = (
    IPv4Network(
        "169.254.0.0/16"
    ),  # AWS, Google, Azure, DigitalOcean, ...; ECS and EKS credentials; link-local
    IPv4Network("100.100.100.200/32"),  # Alibaba
    IPv4Network("168.63.129.16/32"),  # Azure's wire server
    IPv4Network("192.0.0.192/32"),  # Oracle, older
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::254/128"),  # Google
    IPv6Network("fd00:42::42/128"),  # Scaleway
    IPv6Network("fd00:c1::a9fe:a9fe/128"),  # Oracle
)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_SIX_TO_FOUR = IPv6Network("2002::/16")

_Address = IPv4Address | IPv6Address


@lru_cache(maxsize=10_000)
def refusal(address: str, *, allow_private: bool) -> str:
    """Return why `address` may not be connected to, in plain words; "" when it may."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "not an internet address"
    real = _inner(parsed)
    if any(real in network for network in _METADATA if network.version == real.version):
        return "a cloud metadata address, which is never asked"
    if not allow_private and _is_private(real):
        return "a private, loopback or reserved address, and these are not allowed here"
    return ""


def _inner(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4, compatible), else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR:
        return IPv4Address((int(address) >> 80) & 0xFFFF_FFFF)
    compatible = int(address) > 1 and int(address) >> 32 == 0
    if compatible or any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_private(address: _Address) -> bool:
    # Neither is enough alone: `is_global` takes multicast for global, `is_private` misses 100.64/10.
    return not address.is_global or address.is_private or address.is_multicast or address.is_reserved
