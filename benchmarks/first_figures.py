"""The ledger's first figures: submitting, draining, and how long an urgent event waits.

    python -m benchmarks.first_figures                      SQLite and PostgreSQL
    python -m benchmarks.first_figures --database sqlite

Prints JSON; what is measured, and on which machine, stands in it.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("The ledger's first figures.")
    arguments.add_argument("--events", type=int, default=5000, help="events of each rate")
    arguments.add_argument("--low", type=int, default=10_000, help="low runs of 20 ms in the way")
    arguments.add_argument("--urgent", type=int, default=400, help="urgent events, 20 a second")
    options = arguments.parse_args()
    measure("benchmarks.measure_ledger", [options.events, options.low, options.urgent], options)


if __name__ == "__main__":
    main()
