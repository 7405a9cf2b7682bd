"""``python -m benchmarks.search_questions``: are the questions of a restaurant chain answered?

    python -m benchmarks.search_questions --database sqlite
    python -m benchmarks.search_questions --floor 0.9      status 1 if fewer are right at first
    python -m benchmarks.search_questions --held-back      once, at the end

Records an invented chain, indexes it, asks ``neural.search`` and prints JSON. ``--failures`` lists
the public questions that are not answered; those that are held back are never listed.
"""

import argparse
import json
import os
import sys
import time
from typing import Any

from benchmarks import isolated

DATABASES = ("sqlite", "postgresql")


def main() -> None:
    """Measure on each chosen database, in a process of its own."""
    options = _options()
    if isolated.MEASURES in os.environ:
        isolated.set_up(migrates=True)
        json.dump(_measured(options), sys.stdout, ensure_ascii=False)
        return
    chosen = list(DATABASES) if options.database == "both" else [options.database]
    figures = {name: _apart(name, options.postgresql) for name in chosen}
    json.dump(figures, sys.stdout, indent=2, ensure_ascii=False)
    print()
    sys.exit(", ".join(below(figures, options.floor)) or 0)


def below(figures: dict[str, Any], floor: float) -> list[str]:
    """The sets of which a smaller share than the floor is right at first."""
    shares = {
        f"{database}: {name}": half["all"]["at_first"]
        for database, each in figures.items()
        for name, half in each["sets"].items()
    }
    return [f"{name} is below {floor}" for name, share in shares.items() if share < floor]


def _options() -> argparse.Namespace:
    parser = isolated.parser((__doc__ or "").partition("\n")[0])
    parser.add_argument("--floor", type=float, default=0, help="least share right at first")
    parser.add_argument("--filling", type=int, help="orders among which others have to be found")
    parser.add_argument("--held-back", action="store_true", help="also what is held back")
    parser.add_argument("--by-meaning", action="store_true", help="dishes by meaning, by method")
    parser.add_argument("--failures", action="store_true", help="list what is not answered")
    return parser.parse_args()


def _apart(database: str, server: str) -> Any:
    servers = isolated.Server(server)
    url = servers.create(isolated.DATABASE) if database == "postgresql" else ""
    try:
        with isolated.environment(url) as variables:
            command = [sys.executable, "-m", "benchmarks.search_questions", *sys.argv[1:]]
            return isolated.output(command, variables)
    finally:
        servers.drop_all()


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    from django.core.management import call_command

    from benchmarks.search_questions import asking, world
    from benchmarks.search_questions.by_meaning import by_meaning
    from benchmarks.search_questions.truth import truths

    began = time.perf_counter()
    world.build(filling=world.FILLING if options.filling is None else options.filling)
    call_command("rebuild_index", "--now", stdout=sys.stderr)
    records = truths()
    sets: dict[str, Any] = {}
    figures: dict[str, Any] = {"records": {name: len(some) for name, some in records.items()}}
    for name in (asking.PUBLIC, asking.HELD_BACK)[: 1 + options.held_back]:
        asked = asking.questions(name)
        wrong = [each for each in asked if asking.is_mislabelled(each, records[each.collection])]
        answers = [asking.ask(each, records[each.collection]) for each in asked]
        sets[name] = {**asking.figures(answers), "mislabelled": [each.query for each in wrong]}
        if options.failures and name == asking.PUBLIC:
            figures["failures"] = [
                {"query": each.question.asked, "kind": each.question.kind, "found": each.found[:3]}
                for each in answers
                if not each.at_first
            ]
    if options.by_meaning or options.held_back:
        held_back = asking.BY_MEANING_HELD_BACK if options.held_back else ()
        sets_by_meaning = (asking.BY_MEANING, *held_back)
        for name in sets_by_meaning:
            figures[name] = by_meaning(asking.questions(name))
    return {**figures, "sets": sets, "seconds": round(time.perf_counter() - began, 1)}


if __name__ == "__main__":
    main()
