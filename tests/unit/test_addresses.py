"""Which addresses are a machine's own, however they are written."""

import pytest

from services.addresses import is_local, is_loopback


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("fd00:ec2::254", "100.100.100.200"),
    ],
)
def test_a_machines_own_addresses_and_those_of_its_cloud(address):
    assert is_local(address)


@pytest.mark.parametrize("address", ["192.168.1.20", "10.0.0.1", "2001:db8::1", "8.8.8.8"])
def test_those_of_the_network_are_others(address):
    assert not is_local(address)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "::1"])
def test_what_says_that_it_is_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["llm.example", "localhost.example", "169.254.169.254", ""])
def test_what_does_not_say_so(host):
    assert not is_loopback(host)
