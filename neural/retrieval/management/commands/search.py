"""`manage.py search`: the records that fit a query, and why each was found."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from django.core.management import CommandError, CommandParser
from django.utils import timezone

from neural.kit.errors import NeuralError
from neural.management.teaching import TeachingCommand, point_in_time, wide
from neural.models import Store
from neural.retrieval.management.collections import known_collections
from neural.retrieval.models import IngestedRecord
from neural.retrieval.query.hits import Found, Hit, missing_everywhere
from neural.retrieval.query.searching import MOST, search
from neural.retrieval.stores.base import TableMissing


def table(collection: str, hits: Found, *, explain: bool = False) -> Iterator[str]:
    """Two lines per hit: what it is, and why it was found; to explain it, a line for each part of
    its score."""
    if hits:
        yield f"{collection}"
    for place, hit in enumerate(hits, 1):
        when = timezone.localtime(hit.at).strftime("%Y-%m-%d %H:%M") if hit.at else "-"
        title, key = one_line(hit.title or hit.id), one_line(hit.key)
        yield f"{place:>4}  {wide(title, 34)}{wide(hit.store or '-', 12)}{when:<18}{key}"
        if not explain:
            yield f"      {because(hit)}"
            continue
        for kind, score in hit.why.scores.items():
            matched = ", ".join(map(one_line, hit.why.matched.get(kind, ())))
            yield f"      {score:>6.2f}  {wide(kind, 12)}{matched}".rstrip()
        yield f"      {hit.score:>6.2f}"


def because(hit: Hit) -> str:
    """Why a hit was found, in one line."""
    ways = [f"{way} {score:.2f}" for way, score in hit.why.scores.items() if score]
    matched = [one_line(part) for part in (hit.why.names or hit.why.parts)[:5]]
    label = "names" if hit.why.names else "matched"
    matches = [f"{label}: {', '.join(matched)}"] if matched else []
    return " · ".join([f"{hit.score:.2f}", *matches, *ways])


def one_line(text: str) -> str:
    """The text of a record without characters that would move the cursor."""
    return "".join(each if each.isprintable() else " " for each in text)


def as_json(hits: Found) -> Iterator[str]:
    """One JSON object per hit."""
    for hit in hits:
        facts = {"collection": hit.collection, **hit.as_json()}
        yield json.dumps(facts, ensure_ascii=False)


NOTHING_FOUND = 1
WRONG_USAGE = 2
NOT_POSSIBLE = 3


class Command(TeachingCommand):
    """Find orders, dishes, shifts and events by their content."""

    help = """
        Finds orders, dishes, shifts and events by what they say, in Chinese or English: by numbers,
        by whole names, by words, by their beginnings, spelling and sound (pinyin), and by meaning.
        Each hit says why it is one: what matched, and how much each kind of evidence added to its
        score. It sees every store; in the admin, people see their own.
    """
    after_help = """
        examples:
          manage.py search 麻婆豆腐
          manage.py search 'something light with fish' --collection dishes --store S01
          manage.py search mapodoufu --collection orders --since 30d --top 20
          manage.py search refund --collection events --kind payment.refunded --since 2026-01-01
          manage.py search 不要辣 --json | jq -r 'select(.why.parts != []) | .key'

        exit codes:
          0  something was found
          1  nothing was found
          2  wrong usage, or there is no such collection or store
          3  the index cannot be searched just now; what to do is said
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """What to search for, where, and how to show it."""
        parser.add_argument("text", metavar="TEXT", help="what is looked for")
        parser.add_argument("--collection", metavar="NAME", help="only this one (all)")
        parser.add_argument("--store", metavar="CODE", help="only this store (all)")
        parser.add_argument(
            "--since",
            type=point_in_time,
            metavar="TIME",
            help="happened at or after this: an age (90m, 2h, 3d), a day, or ISO 8601",
        )
        parser.add_argument(
            "--until", type=point_in_time, metavar="TIME", help="happened before this"
        )
        parser.add_argument(
            "--kind", help="only this kind: an event's type, an order's state, a dish's category"
        )
        parser.add_argument(
            "--top", type=_top, default=10, metavar="N",
            help="so many hits of a collection (10; at most 100)",
        )  # fmt: skip
        parser.add_argument(
            "--explain", action="store_true", help="a line for each part of a hit's score"
        )
        parser.add_argument("--json", action="store_true", help="print JSON, one object a line")

    def handle(self, **options: Any) -> None:
        """Search, and print the hits and notices."""
        found = {name: asked(name, options) for name in chosen(options)}
        for name, hits in found.items():
            for notice in hits.notices:
                self.stderr.write(notice)
            shown = table(name, hits, explain=options["explain"])
            printed = as_json(hits) if options["json"] else shown
            for line in printed:
                self.stdout.write(line)
        if limits := dict.fromkeys(word for hits in found.values() for word in hits.limits):
            words = ", ".join(limits)
            self.stderr.write(f"Limited by {words}. In quotes, these are words like any other.")
        if missing := missing_everywhere(options["text"], found.values()):
            self.stderr.write(f"No record has {' · '.join(missing)}.")
        if not any(found.values()):
            raise CommandError("Nothing was found.", returncode=NOTHING_FOUND)


def _top(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"not from 1 to {MOST}: {number}")
    return number


def chosen(options: dict[str, Any]) -> list[str]:
    """The names of the collections to search. Raises CommandError for wrong arguments."""
    if options["store"] and not is_known(options["store"]):
        raise CommandError(f"There is no store {options['store']!r}.", returncode=WRONG_USAGE)
    return known_collections([options["collection"]] if options["collection"] else [])


def is_known(store: str) -> bool:
    """Whether the store exists, or an ingested record names it."""
    if Store.objects.filter(pk=store).exists():
        return True
    return IngestedRecord.objects.filter(store_code=store).exists()


def asked(collection: str, options: dict[str, Any]) -> Found:
    """The hits in one collection. Raises CommandError if it cannot be searched."""
    try:
        narrow = {name: options[name] for name in ("store", "since", "until", "kind")}
        return search(options["text"], collection, top_k=options["top"], **narrow)
    except NeuralError as error:
        remedy = f"rebuild_index {collection}" if isinstance(error, TableMissing) else "doctor"
        message = f"{collection} cannot be searched: {error}. Type: manage.py {remedy}"
        raise CommandError(message, returncode=NOT_POSSIBLE) from error
