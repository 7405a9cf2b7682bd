"""How many events a second are submitted and worked on.

    python -m benchmarks.rates                      SQLite and PostgreSQL
    python -m benchmarks.rates --database sqlite
    python -m benchmarks.rates --drain-only --repeats 20 --events 10000

Sales reports of three lines; two pool processes drain what was submitted. Prints JSON. Rates
depend on the machine: `benchmarks.peers` compares with other systems in one run.

`--drain-only` measures the bulk drain alone, in pairs: without search and with it. It prints each
repeat, so that one that is slow among many shows.
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
