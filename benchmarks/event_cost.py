"""Measures what Celery's task events (`-E`, Flower) cost: runs a second without and with them.

    python -m benchmarks.event_cost                         SQLite and PostgreSQL
    python -m benchmarks.event_cost --database postgresql

The handler does nothing, so the share of the events is as large as it can be.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("The cost of Celery's task events.")
    arguments.add_argument("--events", type=int, default=2000, help="single submits of a drain")
    arguments.add_argument("--repeats", type=int, default=5, help="drains of each kind")
    options = arguments.parse_args()
    measure("benchmarks.measure_event_cost", [options.events, options.repeats], options)


if __name__ == "__main__":
    main()
