"""How many records a second become searchable through real workers.

    python -m benchmarks.indexing                       SQLite and PostgreSQL
    python -m benchmarks.indexing --database sqlite --orders 20000

Orders (one to four dishes) and their events are marked and then indexed by two processes of a
real worker, from the first mark taken to the last one gone: read, tokens, vectors, one commit a
batch. Then dishes with long descriptions, each another, beside the bare embedder in two processes
on the same texts: what share of its rate is left. Prints JSON.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("Records made searchable a second.")
    arguments.add_argument("--orders", type=int, default=10_000, help="orders, and as many events")
    arguments.add_argument("--descriptions", type=int, default=3_000)
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    given = [options.orders, options.descriptions, options.repeats]
    measure("benchmarks.measure_indexing", given, options)


if __name__ == "__main__":
    main()
