"""Measures how long an urgent event waits behind a backlog, from due to started.

    python -m benchmarks.urgent_wait                      SQLite and PostgreSQL
    python -m benchmarks.urgent_wait --database postgresql

The backlog is 10,000 and 100,000 low-priority runs of 20 ms, or history that is being loaded. One
worker serves `high_priority`, and another serves all queues. Prints JSON, in milliseconds.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("How long an urgent event waits behind a backlog.")
    arguments.add_argument("--low", type=int, nargs="+", default=[10_000, 100_000])
    arguments.add_argument("--urgent", type=int, default=1000, help="urgent events, 20 a second")
    arguments.add_argument("--history", type=int, default=5000, help="events loaded beforehand")
    options = arguments.parse_args()
    given = [options.urgent, options.history, *options.low]
    measure("benchmarks.measure_urgent_wait", given, options)


if __name__ == "__main__":
    main()
