"""A small menu of our own, and search over records in a real LanceDB with the real model."""

import datetime as dt
from collections.abc import Sequence

import numpy as np

from neural.retrieval.collections.documents import Document
from neural.retrieval.embedders.usem3 import Usem3
from neural.retrieval.index import fields, writing
from neural.retrieval.index.active import ActiveIndex
from neural.retrieval.models import IndexState, SearchIndex
from neural.retrieval.stores import words
from neural.retrieval.stores.base import Row
from neural.retrieval.stores.database import DatabaseStore

MENU = {
    "麻婆豆腐": "四川名菜，嫩豆腐配牛肉末和花椒，又麻又辣，很下饭。",
    "宫保鸡丁": "鸡肉丁和花生一起爆炒，带点甜酸和干辣椒的香气。",
    "红烧肉": "五花肉用酱油和冰糖慢炖，肥而不腻，入口即化。",
    "糖醋排骨": "猪小排炸过再裹上糖和醋做的汁，孩子最喜欢。",
    "清蒸鲈鱼": "整条鱼上锅蒸，淋热油和豉油，味道清淡鲜美。",
    "酸辣土豆丝": "土豆切成细丝快炒，加醋和辣椒，爽脆开胃。",
    "西红柿炒鸡蛋": "最普通的家常菜，酸甜可口，新手也能做。",
    "北京烤鸭": "挂炉烤制，皮脆肉嫩，卷在薄饼里蘸甜面酱吃。",
    "兰州牛肉拉面": "清汤里是手拉的面条，配萝卜片、香菜和辣椒油。",
    "扬州炒饭": "米饭和虾仁、火腿、鸡蛋一起炒，粒粒分明。",
    "小笼包": "江南点心，薄皮里有滚烫的汤汁和猪肉馅。",
    "皮蛋瘦肉粥": "大米熬得软烂，加皮蛋和肉丝，早餐常喝。",
    "酸梅汤": "乌梅和山楂熬的冷饮，夏天消暑解渴。",
    "珍珠奶茶": "台湾来的饮料，红茶加牛奶和有嚼劲的黑色小丸子。",
    "提拉米苏": "意大利甜点，手指饼干浸了咖啡，夹着奶酪。",
    "草莓冰淇淋": "新鲜草莓和奶油冻成，冰凉香甜。",
    "炸薯条": "土豆条油炸，撒盐，快餐店里人人都点。",
    "凯撒沙拉": "生菜、面包丁和干酪，拌凯撒酱的西式冷盘。",
    "冬阴功汤": "泰国的酸辣虾汤，有香茅和椰奶的味道。",
    "重庆小面": "麻辣的素面条，重庆人早上都吃这个。",
    "B52轰炸机": "一层一层的烈酒，点着了再喝。",
    "火锅（鸳鸯锅）": "一半清汤一半红汤，大家围着涮肉涮菜。",
}
MODEL = Usem3()


def menu() -> list[Document]:
    """The menu as documents; the title is the id."""
    return [Document(id=title, title=title, text=text) for title, text in MENU.items()]


def index_of(
    documents: Sequence[Document],
    *,
    vectors=("whole", "title"),
    collection="menu",
    table=None,
) -> ActiveIndex:
    """These documents in an index, as the flow would have written them; its rows are in the
    database."""
    store = DatabaseStore()
    shape = fields.shape_of(vectors, MODEL.dimensions)
    table = table or collection
    if vectors:
        store.create(table, shape)
    index = SearchIndex.objects.create(
        collection=collection, table=table, store_kind="database", embedder=MODEL.name,
        dimensions=MODEL.dimensions, vectors=list(vectors), token_form=fields.TOKEN_FORM,
        rows=len(documents), state=IndexState.RETIRED,
    )  # fmt: skip
    words.upsert(
        index.pk, [writing.search_row(index, each.key, each, version=1) for each in documents]
    )
    if vectors:
        store.upsert(table, _rows(documents, vectors))
    embedder = MODEL if vectors else None
    return ActiveIndex(index=index, store=store, embedder=embedder)


def at(day: int) -> dt.datetime:
    """Noon of a day in March."""
    return dt.datetime(2026, 3, day, 12, tzinfo=dt.UTC)


def _rows(documents, vectors):
    texts = [fields.texts_of(each, vectors).values() for each in documents]
    distinct = sorted({text for own in texts for some in own for text in some})
    embedded = zip(distinct, MODEL.embed(distinct) if distinct else (), strict=True)
    made = {text: vector for text, vector in embedded if np.any(vector)}
    return [
        Row(
            key=each.key,
            store=each.store,
            vectors=writing.vectors_of(each, vectors, made),
        )
        for each in documents
    ]
