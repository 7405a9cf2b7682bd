"""Measures what an event costs: processor time, statements, bytes of PostgreSQL's log, memory.

    python -m benchmarks.costs                      SQLite and PostgreSQL
    python -m benchmarks.costs --runs 20000

Submits sales reports of three lines together, and drains them with one worker of two processes. The
workers' memory is read meanwhile. Prints JSON.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("What an event costs.")
    arguments.add_argument("--runs", type=int, default=100_000, help="runs that a worker does")
    options = arguments.parse_args()
    measure("benchmarks.measure_costs", [options.runs], options)


if __name__ == "__main__":
    main()
