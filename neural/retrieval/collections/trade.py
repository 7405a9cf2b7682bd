"""What the trade calls its codes, in both languages. Pure.

Tills and platforms state codes: ``payment.refunded``, ``dine_in``, ``cancelled``. People ask for
退款, takeaway or 退单. So a record is found by all words for its codes, and a filter takes each.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

CALLED: Mapping[str, str] = {
    # Types of events, and their parts
    "order": "订单",
    "created": "新订单, 下单, new",
    "payment": "付款, 支付, 收款",
    "payment.completed": "付款, 支付, 已付, 收款, paid",
    "payment.stated": "付款, 支付, 收款, paid",
    "payment.refunded": "退款, 退钱, refund",
    "refund": "退款, 退钱, refunded",
    "delivery.updated": "配送, 骑手, 外卖, courier, rider",
    "inventory": "库存, stock",
    "inventory.low": "缺货, 库存不足, 低库存, out of stock, low stock, shortage, 补货",
    "dish": "菜品, 菜",
    "menu": "菜单",
    "item.sold_out": "沽清, 售罄, 卖完, 缺货, sold out, out of stock, 86",
    "item.available": "恢复供应, 上架, back in stock, available again",
    "staff": "员工, 店员, employee",
    "staff.scheduled": "排班, 班次, 值班, 上班, 当班, shift, roster, rota",
    "staff.clocked_in": "上班打卡, 签到, clock in",
    "staff.clocked_out": "下班打卡, 签退, clock out",
    "feedback.received": "评价, 反馈, 意见, review, comment",
    "bad review": "差评, 投诉, 不满, complaint",
    "good review": "好评, 表扬, praise",
    "sales.reported": "日报, 销售, 营业额, sales report, revenue",
    "settlement": "结算, 对账, payout",
    "day.closed": "日结, 打烊, 交班, end of day, z report",
    "store.opened": "开店, 营业, 开门",
    "store.closed": "关店, 打烊, 停业, 歇业",
    "store.busy": "忙碌, 爆单, 暂停接单, paused",
    "merged": "并单, 合并",
    # What became of an order
    "placed": "已下单",
    "scheduled": "预约, 预订, reserved, preorder",
    "open": "未结, 进行中, 未完成, 待处理, 未解决",
    "accepted": "已接单",
    "preparing": "制作中, 备餐",
    "ready": "已出餐, 待取",
    "delivering": "配送中, 派送中, on its way",
    "closed": "已结, 已完成, 完成, completed, finished",
    "rejected": "拒单, 已拒绝, declined",
    "cancelled": "取消, 已取消, 退单, canceled, cancellation",
    "voided": "作废, 已作废, void",
    "paid": "已付, 已付款, 已支付, 付清, settled",
    "unpaid": "未付, 未付款, 未支付, 欠款, owed, outstanding",
    "refunded": "退款, 已退款, 退钱, refund",
    # Channels, platforms, tenders
    "dine_in": "堂食, dine in, dine-in, eat in",
    "takeaway": "自取, 外带, 打包, takeout, take away, to go, pickup",
    "delivery": "外卖, 外送, 配送",
    "meituan": "美团",
    "eleme": "饿了么, ele.me",
    "cash": "现金",
    "card": "刷卡, 银行卡",
    "wechat": "微信, 微信支付, wechat pay",
    "alipay": "支付宝",
    "stored_value": "储值, 会员卡",
    "voucher": "券, 代金券, coupon",
    # Roles
    "cook": "厨师, 后厨, chef, kitchen",
    "chef": "厨师, 后厨, cook, kitchen",
    "waiter": "服务员, server",
    "cashier": "收银, 收银员",
    "manager": "经理, 店长",
    # What became of work
    "dead": "失败, 死信, failed, dead letter",
    "discarded": "已丢弃, 丢弃",
    "failed": "失败",
    "refused": "被拒绝, 拒绝, rejected, invalid",
    "dismissed": "已忽略, 忽略",
    "corrected": "已更正, 更正",
    "timeout": "超时, timed out, time out",
    "connection": "连接, 网络, network",
    "permission": "权限, forbidden, denied",
    "muted": "静音, 已静音",
    "resolved": "已解决, 解决, fixed",
}
"""By code: the other words for it. A type like ``order.created`` that is not listed is called what
its parts are called."""


def called(*codes: str) -> tuple[str, ...]:
    """What these codes are called, the codes themselves first; each once."""
    return tuple(dict.fromkeys(word for code in codes if code for word in (code, *_words(code))))


def shown_as(code: str, *, chinese: bool) -> str:
    """A code in the reader's language; the type of an event as it is everywhere."""
    if "." in code:
        return code
    words = _words(code) if chinese else ()
    return words[0] if words else code.replace("_", " ")


def codes_called(word: str, among: Iterable[str]) -> tuple[str, ...]:
    """The codes among these that are, or are called, this word (in lower case)."""
    return tuple(code for code in among if word == code or word in _words(code))


@cache
def _words(code: str) -> tuple[str, ...]:
    return tuple(_each(code))


def _each(code: str) -> Iterator[str]:
    for part in dict.fromkeys((code, *code.split("."))):
        if part != code:
            yield part
        if part in CALLED and (part == code or code not in CALLED):
            yield from CALLED[part].split(", ")
