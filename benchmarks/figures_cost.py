"""Measures what the figures of monitoring cost a drain: the tallies, and adding them up.

    python -m benchmarks.figures_cost                       SQLite and PostgreSQL
    python -m benchmarks.figures_cost --batch 1             runs that are claimed one by one

Drains sales reports of a hundred stores in one process. Every second batch leaves a tally, so that
whatever else the machine does affects both kinds alike. Then all of them are added up, with the
submitted runs and events. Prints JSON: microseconds a run (medians over batches; of adding up, the
mean), by the clock and of this process's processor time. PostgreSQL's own is in the clock alone.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("The cost of figures.")
    arguments.add_argument("--events", type=int, default=20_000, help="events of the drain")
    arguments.add_argument("--batch", type=int, default=50, help="runs that are claimed together")
    options = arguments.parse_args()
    measure("benchmarks.measure_figures_cost", [options.events, options.batch], options)


if __name__ == "__main__":
    main()
