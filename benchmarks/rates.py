"""Measures how many events a second are submitted and processed.

    python -m benchmarks.rates                      SQLite and PostgreSQL
    python -m benchmarks.rates --database sqlite
    python -m benchmarks.rates --drain-only --repeats 20 --events 10000

Events are sales reports of three lines; two pool processes drain them. Prints JSON. Rates depend on
the machine: `benchmarks.peers` compares with other systems in one run.

`--drain-only` measures only the bulk drain, in pairs without and with search. It prints each
repeat, so a slow one among many can be seen.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("Events submitted and worked on a second.")
    arguments.add_argument("--events", type=int, default=20_000, help="events of each rate")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--drain-only", action="store_true", help="in pairs, search off and on")
    options = arguments.parse_args()
    module = "measure_drain" if options.drain_only else "measure_rates"
    measure(f"benchmarks.{module}", [options.events, options.repeats], options)


if __name__ == "__main__":
    main()
