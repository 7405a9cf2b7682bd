"""What the demo's report says of search."""

from collections.abc import Iterator
from typing import Any


def searching_lines(report: dict[str, Any]) -> Iterator[str]:
    """The section of the report."""
    search = report["search"]
    counts = ", ".join(f"{rows:,} {name}" for name, rows in sorted(search["records"].items()))
    yield f"SEARCH   can be searched: {counts or 'nothing yet'}"
    if search["why_not"]:
        yield f"  indexing waits: {search['why_not']}"
    if search["waiting"]:
        yield f"  {search['waiting']:,} records are not indexed yet"
    elif search["found"]:
        yield f"  {search['asked']!r} among {search['collection']}:"
    for hit in search["found"]:
        why = f" (named: {', '.join(hit['names'])})" if hit["names"] else ""
        yield f"  {hit['id']} of {hit['store']}: {hit['text'][:80]}{why}"
