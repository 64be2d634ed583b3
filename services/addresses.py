"""Addresses of the web: what is one, and which ones requests of ours shall not reach."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import psutil

_METADATA = frozenset({"100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"})
"""Where clouds (Alibaba, Azure, Oracle, AWS) keep the keys of a machine, beside the link-local
169.254.169.254."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_web_address(url: str) -> bool:
    """Whether a text is an address of the form http://host or https://host:port/path."""
    try:
        parts = urlsplit(url)
        usable = parts.port != 0  # asking raises where it is none at all
    except ValueError:
        return False
    return usable and parts.scheme in ("http", "https") and bool(parts.hostname)


def is_local(address: str) -> bool:
    """Whether an IP address is this machine's own, or one of its link: 127.0.0.1, 169.254.169.254.

    Its own in the network count too: what listens on all addresses may mean itself alone.
    """
    ip = _plain(address)
    if ip.is_loopback or ip.is_link_local or ip.is_unspecified or str(ip) in _METADATA:
        return True
    return str(ip) in own_addresses()


def own_addresses() -> frozenset[str]:
    """Return the IP addresses of this machine, on whatever networks it is now."""
    given = (one for some in psutil.net_if_addrs().values() for one in some)
    internet = (one.address for one in given if one.family in (socket.AF_INET, socket.AF_INET6))
    return frozenset(str(_plain(address)) for address in internet)


def is_loopback(host: str) -> bool:
    """Whether a host, as it is written, can be nothing but this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return _plain(host).is_loopback
    except ValueError:  # a name, which leads wherever its owner wants
        return False


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address; one of IPv4 that is wrapped into IPv6 as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip
