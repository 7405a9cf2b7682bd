"""Invented orders and dish descriptions, as varied as a chain's, and the same each time."""

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any


def _words(text: str) -> list[str]:
    return text.split()


FIRST_DAY = dt.datetime(2025, 1, 1, 12)  # noqa: DTZ001 (the store's own time)
MEATS = _words("牛肉 羊肉 鸡丁 排骨 鱼片 虾仁 豆腐 茄子 土豆 白菜 蘑菇 肥肠 腊肉 鸭血 鳝丝 螃蟹")
WAYS = _words("红烧 清蒸 宫保 水煮 干锅 鱼香 麻辣 糖醋 葱爆 椒盐 咖喱 酸菜 黑椒 蒜蓉 孜然 家常")
STAPLES = _words("米饭 拉面 炒饭 水饺 馄饨 米线 可乐 豆浆 酸梅汤 凉粉")
SPICES = _words("花椒 蒜末 葱花 八角 桂皮 孜然 豆豉 剁椒")
TASTES = _words("辣 甜 酸 咸 清淡 麻")
WISHES = _words("不要辣 少盐 打包 加急 多给醋 不要香菜 分开装 靠窗的位子")
SENTENCES = (
    "{way}{meat}色泽红亮，入口软烂，是一道四季都受欢迎的家常菜",
    "先把{meat}焯水去腥，再用小火慢慢煨到汤汁浓稠",
    "出锅前淋上热油，{spice}的香气一下子就出来了",
    "口味偏{taste}，配{staple}最合适，老人和孩子都能吃",
    "每份大约{number}克，从备料到上桌一般需要{minutes}分钟",
    "含有丰富的蛋白质和多种维生素，夏天吃也不觉得腻",
    "厨师长提醒：{meat}要选当天的，隔夜的口感会差很多",
)


def dish(chance: random.Random) -> str:
    """One of several hundred dishes."""
    if chance.random() < 0.25:
        return chance.choice(STAPLES)
    return chance.choice(WAYS) + chance.choice(MEATS)


def orders(count: int, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Submit arguments for orders of one to four dishes, some with a note, over a year's days: each
    order recomputes its day's demand."""
    chance = random.Random(seed)
    for number in range(count):
        lines = [
            {"name": dish(chance), "quantity": chance.randint(1, 3), "price": "18.00"}
            for _ in range(chance.randint(1, 4))
        ]
        if chance.random() < 0.2:
            lines[0]["note"] = chance.choice(WISHES)
        yield {
            "type": "order.created",
            "store": f"bench-{number % 100}",
            "source": "bench",
            "event_id": f"{seed}-{number}",
            "payload": {
                "order_id": f"{seed}-{number}",
                "placed_at": (FIRST_DAY + dt.timedelta(days=number // 100 % 365)).isoformat(),
                "lines": lines,
            },
        }


def description(chance: random.Random) -> str:
    """A description of about 150 characters, in the style of menus."""
    told = {
        "way": chance.choice(WAYS),
        "meat": chance.choice(MEATS),
        "spice": chance.choice(SPICES),
        "taste": chance.choice(TASTES),
        "staple": chance.choice(STAPLES),
        "number": chance.randint(80, 900),
        "minutes": chance.randint(5, 90),
    }
    chosen = chance.sample(SENTENCES, 5)
    return "。".join(each.format(**told) for each in chosen) + "。"


def described_dishes(count: int, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Records of dishes with long descriptions, all different."""
    chance = random.Random(seed)
    for number in range(count):
        yield {
            "id": f"{seed}-{number}",
            "store_id": f"bench-{number % 100}",
            "title": dish(chance),
            "description": description(chance),
        }
