"""No request of ours leaves for an address that is not in the public Internet."""

import socket

import pytest

from neural.kit.outbound.addresses import AddressRefused, public_addresses, read_url

PUBLIC = "93.184.215.14"


def names(**hosts):
    """A resolver that knows these hosts, and literal addresses."""

    def resolve(host, port):
        if host in hosts:
            return hosts[host]
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        return [host]

    return resolve


def allowed(url, *, private=False, **hosts):
    return public_addresses(read_url(url, private=private), private=private, resolve=names(**hosts))


NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba Cloud's metadata
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",  # Oracle Cloud's metadata
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2606:4700::5efe:127.0.0.1",  # ISATAP
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_as_a_literal_and_behind_a_name(address):
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused, match="not an address in the public Internet"):
        allowed(f"https://{literal}/hook")
    with pytest.raises(AddressRefused, match="not an address in the public Internet"):
        allowed("https://shop.example/hook", **{"shop.example": [PUBLIC, address]})


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.215.14",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "198.20.0.1",
        "223.255.255.254",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "240e::1",
    ],
)
def test_a_public_address_is_allowed(address):
    (found,) = allowed("https://shop.example/", **{"shop.example": [address]})
    assert str(found) == address


@pytest.mark.parametrize(
    "url",
    [
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.0.0.1./",
        "https://127.0.0.0x1/",
        "https://256.1.1.1/",
        "https://1.2.3.4.5/",
        "https://[::1%25lo]/",
        "https://[fe80::1%eth0]/",
        "https://[127.0.0.1]/",
        "https://[::ffff:0:127.0.0.1/",
        "https://shop.example./",
        "https://-shop.example/",
        "https://sh op.example/",
        "https://shop.example\\@10.0.0.1/",
        "https://shop.example\t/",
        "https://shop.example/\r\nHost: x",
        "https://例子.cn/",
        "https://１２７.0.0.1/",
        "https://user@shop.example/",
        "https://user:word@shop.example/",
        "https://shop.example:22/",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://shop.example:x/",
        "https:///hook",
        "https:shop.example/hook",
        "http://shop.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "//shop.example/",
        "shop.example",
        "",
        f"https://shop.example/{'x' * 2000}",
    ],
)
def test_an_address_that_readers_may_take_for_different_things_is_refused(url):
    with pytest.raises(AddressRefused):
        read_url(url, private=False)


def test_a_url_is_read_into_where_and_what_to_ask():
    read = read_url("HTTPS://Shop.Example:8443/a/b?c=%E4%BD%A0#top", private=False)
    assert (read.scheme, read.host, read.port) == ("https", "shop.example", 8443)
    assert (read.target, read.authority) == ("/a/b?c=%E4%BD%A0", "shop.example:8443")
    assert read_url("https://[2606:4700::1]", private=False).authority == "[2606:4700::1]"
    assert read_url("https://shop.example?x=1", private=False).target == "/?x=1"


def test_a_host_that_is_not_known_is_refused_with_its_name():
    def unknown(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    read = read_url("https://nowhere.example/", private=False)
    with pytest.raises(AddressRefused, match=r"nowhere\.example is not known"):
        public_addresses(read, private=False, resolve=unknown)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.1.1", "::1", "fd00::1"])
def test_the_setting_allows_the_own_network(address):
    literal = f"[{address}]" if ":" in address else address
    assert allowed(f"http://{literal}:8000/", private=True)
    assert allowed("https://till.lan:22/", private=True, **{"till.lan": [address]})


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"])
def test_what_is_no_hosts_address_is_refused_all_the_same(address):
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        allowed(f"http://{literal}/", private=True)
