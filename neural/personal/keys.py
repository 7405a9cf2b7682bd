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
    PERSON = "person"
    """Somebody, with whatever is said of them: texts are masked, numbers and counts stay."""


SHOWN = "shown"
"""In the setting ``personal_keys``: this pattern, which is one of ours, does not count."""

_PERSONS = (
    "guest customer buyer contact payer consignee recipient receiver person diner shopper eater "
    "patron visitor purchaser orderer booker addressee attendee "
    "顾客 客户 客人 食客 宾客 买家 买方 付款人 联系人 收货人 收件人 取餐人 取件人 下单人 订餐人 "
    "预订人 预定人 订位人 用餐人 就餐人"
)
_OF_PERSONS = (
    "s name names fullname firstname lastname givenname familyname realname nickname nick title "
    "info infos details detail data profile person contact "
    "姓名 名 名称 名字 称呼 昵称 信息 资料 详情"
)
_IN_SOME_ROLE = "*guest *customer *buyer *payer *contact *consignee *recipient"
_PHONES = (
    "*phone *phones *phoneno *phonenum *phonenumber *phonenumbers *phonelist *mobile *mobiles "
    "*mobileno *mobilenum *mobilenumber tel tels telno telnum telnumber telephone *手机* *电话 "
    "*电话号 *电话号码 *联系方式"
)
_NAMES = (
    "customer.name member.name guest.name recipient.name receiver.name consignee.name buyer.name "
    "contact.name user.name payer.name person.name courier.name rider.name delivery.name "
    "customername membername guestname recipientname receivername buyername contactname username "
    "payername personname couriername ridername consignee recipient receiver courier cardholder "
    "cardholdername realname nickname fullname firstname lastname givenname familyname invoice "
    "invoicetitle invoice.title billingname shippingname shiptoname billtoname booking.name "
    "bookingname reservation.name reservationname 姓名 收货人 收件人 *昵称 发票抬头"
)
_EMAILS = "email emails *email mail emailaddress *邮箱 *邮箱地址 *电子邮件"
_NUMBERS = (
    "member memberid membercode memberno memberkey customerid buyerid buyeruserid openid *openid "
    "unionid wechat wechatid weixin qq alipayid cardnumber cardno cardnum *.card.number "
    "bankcard bankcardno bankaccount iban idcard idcardno idnumber identitycard identityno "
    "passport passportno ssn taxpayerid platenumber licenseplate *身份证* 会员* 车牌* *证件号* "
    "*卡号 *银行账号 *微信号 护照*"
)
_TEXTS = (
    "address addr *.address *address street streetaddress addressline* housenumber latitude "
    "longitude deliverygeo birthday birthdate dateofbirth *地址 *住址 门牌* *生日 出生日期 经度 "
    "纬度 guest.* customer.address.*"
)
_of_persons = " ".join(f"{who}{what}" for who in _PERSONS.split() for what in _OF_PERSONS.split())
DEFAULT_KEYS: Mapping[str, Kind] = {
    pattern: kind
    for kind, patterns in (
        (Kind.PERSON, f"{_PERSONS} {_IN_SOME_ROLE} {_of_persons}"),
        (Kind.PHONE, _PHONES),
        (Kind.NAME, _NAMES),
        (Kind.EMAIL, _EMAILS),
        (Kind.NUMBER, _NUMBERS),
        (Kind.TEXT, _TEXTS),
    )
    for pattern in patterns.split()
}

LONGEST = 300
"""Characters of a path of keys, from its end: a sender may call a key anything."""
_CODES = re.compile(
    r".*(id|ids|no|sn|key|code|codes|number|hash|version|sku|barcode|ticket|token|trace|parent"
    r"|amount|price|total|sum|quantity|count|time|at|timestamp|day|date|queue|task|type)$"
)

_KIND_OF_GUEST = re.compile(
    r".*(level|tier|grade|rank|status|state|source|channel|platform|currency|language|locale"
    r"|等级|级别|类型|状态|来源|渠道|数|数量|次数|金额|时间|日期|编号)$"
)
"""Ends keys below a person whose texts, like gold, name nobody."""


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
        plain = {plain_key(pattern).removeprefix("*."): kind for pattern, kind in patterns.items()}
        self._exact = {each: kind for each, kind in plain.items() if not set(".*?[") & set(each)}
        self._others = [
            # One that begins with any text fits below any key as it is.
            (re.compile(("" if each[0] == "*" else r"(?s:.*\.)?") + translate(each)), kind)
            for each, kind in plain.items()
            if each not in self._exact
        ]

    def kind_of(self, path: tuple[str, ...]) -> Kind | None:
        """The kind of what stands under these plain keys; None if it is not personal."""
        if found := self._exact.get(path[-1]):
            return found
        text = ".".join(path[-4:])[-LONGEST:]
        return next((kind for pattern, kind in self._others if pattern.match(text)), None)

    def kind_below(self, path: tuple[str, ...], above: Kind | None) -> Kind | None:
        """The same for what stands below a value of the kind ``above``: all that is below a
        personal key is personal, but of a person neither codes nor what sort of guest it is."""
        found = self.kind_of(path)
        if found is None and above is Kind.PERSON:
            says_who = not (is_code(path[-1]) or _KIND_OF_GUEST.match(path[-1]))
            return above if says_who else None
        return found or above
