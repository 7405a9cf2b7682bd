"""How many events a second are submitted and worked on.

    python -m benchmarks.rates                      SQLite and PostgreSQL
    python -m benchmarks.rates --database sqlite

Sales reports of three lines; two pool processes drain what was submitted. Prints JSON. Rates
depend on the machine: `benchmarks.peers` compares with other systems in one run.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("Events submitted and worked on a second.")
    arguments.add_argument("--events", type=int, default=20_000, help="events of each rate")
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    measure("benchmarks.measure_rates", [options.events, options.repeats], options)


if __name__ == "__main__":
    main()
