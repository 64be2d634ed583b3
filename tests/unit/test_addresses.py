"""Which addresses are a machine's own, however they are written."""

import socket
from types import SimpleNamespace as Namespace

import psutil
import pytest

from services.addresses import is_local, is_loopback, own_addresses


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    ],
)
def test_a_machines_own_addresses_and_those_of_its_cloud(address):
    assert is_local(address)


@pytest.mark.parametrize("address", ["192.168.1.20", "10.0.0.1", "2001:db8::1", "8.8.8.8"])
def test_those_of_the_network_are_others(monkeypatch, address):
    monkeypatch.setattr("services.addresses.own_addresses", frozenset)
    assert not is_local(address)


@pytest.mark.parametrize("address", ["192.168.1.7", "::ffff:192.168.1.7", "2001:db8::7"])
def test_what_this_machine_is_in_its_networks_is_its_own(monkeypatch, address):
    def addresses():
        mac = Namespace(family=psutil.AF_LINK, address="00:00:00:00:00:07")
        v4 = Namespace(family=socket.AF_INET, address="192.168.1.7")
        v6 = Namespace(family=socket.AF_INET6, address="2001:db8::7%eth0")
        return {"eth0": [mac, v4, v6]}

    monkeypatch.setattr(psutil, "net_if_addrs", addresses)
    assert is_local(address) and not is_local("192.168.1.8")


def test_this_machine_knows_its_own_addresses():
    assert "127.0.0.1" in own_addresses()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "::1"])
def test_what_says_that_it_is_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["llm.example", "localhost.example", "169.254.169.254", ""])
def test_what_does_not_say_so(host):
    assert not is_loopback(host)
