"""Measures how many records a second become searchable through real workers.

    python -m benchmarks.indexing                       SQLite and PostgreSQL
    python -m benchmarks.indexing --database sqlite --orders 20000

Orders of one to four dishes are submitted, handled and indexed together with their events, by two
processes of a real worker. The time runs from the first submit until all can be found. Then new
processes index the same number of records that were handled before. Then different dishes with long
descriptions are ingested, beside the bare embedder in two processes on the same number of texts;
the result is the share of its rate that is left. Prints JSON.
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
