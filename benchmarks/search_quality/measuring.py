"""Asks every method all sets of questions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.search_quality import data, hybrid
from benchmarks.search_quality.baselines import baselines
from benchmarks.search_quality.data import Find, scores, summary
from benchmarks.search_quality.disturbing import Disturber
from neural.retrieval.choosing import embedder

Sets = Mapping[str, Sequence[data.Asked]]


def shared(*, odd: bool, every: int, alone: bool) -> dict[str, Any]:
    """Figures of the shared data: of odd rows, or of the even rows on which methods were chosen."""
    start = 1 if odd else 0
    restaurants, dishes = data.restaurants(), data.dishes()
    places = hybrid.index(hybrid.RESTAURANTS, hybrid.restaurant, restaurants)
    recipes = hybrid.index(hybrid.DISHES, hybrid.dish, dishes)
    methods: dict[str, dict[str, Find]] = {"places": {}, "recipes": {}}
    if not alone:
        methods["places"] = baselines(places, embedder())
        methods["recipes"] = baselines(recipes, embedder())
    methods["places"]["hybrid"] = hybrid.hybrid(hybrid.RESTAURANTS)
    methods["recipes"]["hybrid"] = hybrid.hybrid(hybrid.DISHES)
    disturbed = Disturber(dishes, seed=1 + start).all()
    of_places = {
        "requests": data.requests(),
        "own names": data.own_names(restaurants),
        "without branch": data.names_without_branch(restaurants),
    }
    of_recipes = {
        **{f"title: {kind}": asked for kind, asked in disturbed.items()},
        "meaning zh": data.labelled("zh"),
        "meaning en": data.labelled("en"),
    }
    return {
        **_figures(methods["places"], _half(of_places, start, every)),
        **_figures(methods["recipes"], _half(of_recipes, start, every)),
    }


def of_your_own(records: Path, queries: Path) -> dict[str, Any]:
    """Figures of your own records and labelled queries, from files."""
    documents = hybrid.index(hybrid.DISHES, hybrid.dish, data.lines(records))
    methods = baselines(documents, embedder())
    methods["hybrid"] = hybrid.hybrid(hybrid.DISHES)
    return _figures(methods, {queries.stem: data.asked(queries)})


def _half(sets: Sets, start: int, every: int) -> Sets:
    # A handful of queries is too few to split for choosing: all of them are shown.
    return {
        name: asked[start::2][::every] if len(asked) > 20 else asked for name, asked in sets.items()
    }


def _figures(methods: Mapping[str, Find], sets: Sets) -> dict[str, Any]:
    return {
        name: {method: summary(scores(find, asked)) for method, find in methods.items()}
        for name, asked in sets.items()
    }
