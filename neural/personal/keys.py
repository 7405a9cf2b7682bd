"""Keys under which a person's data stand. Imports no Django.

A key is compared in lower case and without ``_`` and ``-``: ``recipientPhone`` is
``recipient_phone``. Positions in lists do not count.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import translate


class Kind(StrEnum):
    """What a value is, which decides what is left of it when it is masked."""

    PHONE = "phone"
    NAME = "name"
    EMAIL = "email"
    NUMBER = "number"
    """Of a card, an account, a member or a document: its end stays."""
    TEXT = "text"
    """Nothing of it stays."""


SHOWN = "shown"
"""In the setting ``personal_keys``: this pattern, which is one of ours, does not count."""

_PHONES = "*phone *phones *mobile *mobiles *phonenumber *phonelist tel telephone tels 手机* 电话"
_NAMES = (
    "customer.name member.name guest.name recipient.name receiver.name consignee.name buyer.name "
    "contact.name user.name payer.name person.name courier.name rider.name delivery.name "
    "customername membername guestname recipientname receivername buyername contactname username "
    "payername personname couriername ridername consignee recipient receiver courier cardholder "
    "cardholdername realname nickname fullname firstname lastname givenname familyname invoice "
    "invoicetitle invoice.title 姓名 收货人"
)
_EMAILS = "email emails *email mail emailaddress"
_NUMBERS = (
    "member memberid membercode memberno memberkey customerid buyerid buyeruserid openid *openid "
    "unionid wechat wechatid weixin qq alipayid cardnumber cardno cardnum *.card.number "
    "bankcard bankcardno bankaccount iban idcard idcardno idnumber identitycard identityno "
    "passport passportno ssn taxpayerid platenumber licenseplate 身份证* 会员* 车牌*"
)
_TEXTS = (
    "address addr *.address *address street streetaddress addressline* housenumber latitude "
    "longitude deliverygeo birthday birthdate dateofbirth 地址 guest.* customer.address.*"
)
DEFAULT_KEYS: Mapping[str, Kind] = {
    pattern: kind
    for kind, patterns in (
        (Kind.PHONE, _PHONES),
        (Kind.NAME, _NAMES),
        (Kind.EMAIL, _EMAILS),
        (Kind.NUMBER, _NUMBERS),
        (Kind.TEXT, _TEXTS),
    )
    for pattern in patterns.split()
}

_CODES = re.compile(
    r".*(id|ids|no|sn|key|code|codes|number|hash|version|sku|barcode|ticket|token|trace|parent"
    r"|amount|price|total|sum|quantity|count|time|at|timestamp|day|date|queue|task|type)$"
)


def plain_key(key: str) -> str:
    """A key as it is compared."""
    return key.replace("_", "").replace("-", "").lower()


def is_code(key: str) -> bool:
    """Whether values under this (plain) key are ids, amounts or times: long numbers are none of a
    phone or a card."""
    return _CODES.match(key) is not None


class KeyRules:
    """Decides by its path which kind of personal data a value is.

    ``patterns`` are paths with ``*`` for any text within a key: ``phone`` and ``*.phone`` mean this
    key anywhere, ``customer.name`` a key below another, ``guest.*`` all that is below a key.
    """

    def __init__(self, patterns: Mapping[str, Kind]) -> None:
        plain = {_plain_pattern(pattern): kind for pattern, kind in patterns.items()}
        self._exact = {each: kind for each, kind in plain.items() if not set(".*?[") & set(each)}
        self._others = [
            (re.compile(rf"(?s:.*\.)?{translate(each)}"), kind)
            for each, kind in plain.items()
            if each not in self._exact
        ]

    def kind_of(self, path: tuple[str, ...]) -> Kind | None:
        """The kind of what stands under these plain keys; None if it is not personal."""
        if found := self._exact.get(path[-1]):
            return found
        text = ".".join(path[-4:])
        return next((kind for pattern, kind in self._others if pattern.match(text)), None)


def _plain_pattern(pattern: str) -> str:
    return plain_key(pattern).removeprefix("*.")
