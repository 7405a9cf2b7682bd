"""Rows like orders, with up to three dishes and a note; and questions for one or two dishes.

The first rows have vectors of their texts, from the default embedder. Embedding a million texts
takes too long, so each further row has a mixture of two of these vectors with some noise. Such
points lie between real ones, about as close to each other as orders that share a dish.
"""

import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neural.retrieval.embedders.usem3 import Usem3
from neural.retrieval.stores.base import Row, Shape

DIMENSIONS = 512
STORES = 300
CHUNK = 10_000
"""The number of rows whose vectors are made together."""
SHAPE = Shape(vectors=("whole",), dimensions=DIMENSIONS)
_NOISE = 0.25
"""The length of the noise that is added to a mixture of length one."""

_TASTES = """
    麻辣 香辣 酸辣 糖醋 蒜蓉 葱香 椒盐 红烧 清炖 酱香 五香 泡椒 剁椒 豉汁 黑椒 咖喱 番茄 茄汁
    蜜汁 孜然 怪味 鱼香 家常 老坛 藤椒 沙茶 咸蛋黄 奶香 柠檬 梅子
"""
_MAINS = """
    豆腐 牛肉 羊肉 鸡丁 鸡翅 排骨 五花肉 里脊 肥肠 鲈鱼 草鱼 带鱼 大虾 虾仁 鱿鱼 螃蟹 蛤蜊 茄子
    土豆 白菜 菠菜 空心菜 西兰花 四季豆 木耳 香菇 金针菇 杏鲍菇 藕片 冬瓜 南瓜 苦瓜 鸡蛋 皮蛋
    粉丝 年糕 米粉 面条 水饺 馄饨 鸭血 鸭脖 兔丁 牛蛙 猪蹄 猪肝 腊肉 香肠
"""
_WAYS = "小炒 干锅 砂锅 铁板 清蒸 油焖 爆炒 凉拌 水煮 烤 煲 汤 盖饭 卷 煎 炸 炖 烩 焗 拌面"
_PARTS = [part.split() for part in (_TASTES, _MAINS, _WAYS)]
_NOTES = (
    *(
        "大份",
        "小份",
        "不要香菜",
        "少辣",
        "多加葱",
        "外带",
        "加饭",
        "微辣",
        "儿童餐",
        "退款",
        "已支付",
    ),
    *("库存不足", "no coriander", "extra spicy", "takeaway", "large", "shift changed"),
)

Vectors = npt.NDArray[np.float32]


def dishes(number: int) -> tuple[str, ...]:
    """The dishes of the order with this number."""
    dice = random.Random(number)
    return tuple(_dish(dice) for _ in range(dice.randint(1, 3)))


def text(number: int) -> str:
    """The order's whole text."""
    return "，".join((*dishes(number), random.Random(-number - 1).choice(_NOTES)))


def questions(count: int) -> list[str]:
    """Questions: the first one or two dishes of other orders, all different."""
    asked: dict[str, None] = {}
    for number in itertools.count(10**9):
        asked[" ".join(dishes(number)[:2])] = None
        if len(asked) == count:
            return list(asked)
    raise AssertionError("counting never ends")


def store_of(number: int) -> str:
    """The code of the store to which the order belongs."""
    return f"S{number * 7919 % STORES:03d}"


def vectors(start: int, stop: int, base: Vectors) -> Vectors:
    """The vectors of a chunk of orders, or of its beginning."""
    known = base[start:stop]
    return np.concatenate([known, _mixtures(start, stop - start - len(known), base)])


def rows(start: int, stop: int, base: Vectors) -> list[Row]:
    """The rows of a chunk of orders, or of its beginning, as a store keeps them."""
    made = vectors(start, stop, base)
    return [_row(number, made[number - start]) for number in range(start, stop)]


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """The bounds of the chunks of this many orders."""
    for start in range(0, count, CHUNK):
        yield start, min(start + CHUNK, count)


def _mixtures(seed: int, count: int, base: Vectors) -> Vectors:
    dice = np.random.default_rng(seed)
    one, other = dice.integers(len(base), size=(2, count))
    share = dice.uniform(0.5, 1, size=(count, 1)).astype(np.float32)
    noise = dice.standard_normal((count, DIMENSIONS), dtype=np.float32)
    noise *= _NOISE / DIMENSIONS**0.5
    mixed = share * base[one] + (1 - share) * base[other] + noise
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return mixed


def _row(number: int, vector: Vectors) -> Row:
    return Row(
        key=f"{store_of(number)}/order-{number}",
        store=store_of(number),
        version=1,
        vectors={"whole": vector},
    )


def _dish(dice: random.Random) -> str:
    return "".join(dice.choice(part) for part in _PARTS)


# Embedding is done by a process of its own, so that its memory is not counted as the store's:
# ``python -m benchmarks.vector_store.corpus FOLDER ORDERS QUESTIONS``.


def embed(folder: Path, orders: int, asked: int) -> None:
    """Write ``orders.npy`` and ``questions.npy``."""
    embedder = Usem3()
    np.save(folder / "orders.npy", embedder.embed([text(n) for n in range(orders)]))
    np.save(folder / "questions.npy", embedder.embed(questions(asked)))


if __name__ == "__main__":
    embed(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
