"""Measures what the figures of monitoring cost a drain: the tallies, and adding them up.

    python -m benchmarks.figures_cost                       SQLite and PostgreSQL
    python -m benchmarks.figures_cost --batch 1             runs that are claimed one by one

Drains the same sales reports of a hundred stores with and without figures, in turn, in one process.
Whatever relays would add up meanwhile is added up between the batches, and the rest at the end, so
all of it counts. Prints JSON: the ratios of the clock and of this process's processor time, and the
shares of both that computing tallies (not inserting them) and adding up took themselves, which
depend less on what else the machine does. The processor time of PostgreSQL is in the clock alone.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("The cost of figures.")
    arguments.add_argument("--events", type=int, default=10_000, help="events of a drain")
    arguments.add_argument("--batch", type=int, default=50, help="runs that are claimed together")
    arguments.add_argument("--repeats", type=int, default=5, help="pairs of drains")
    options = arguments.parse_args()
    numbers: list[object] = [options.events, options.batch, options.repeats]
    measure("benchmarks.measure_figures_cost", numbers, options)


if __name__ == "__main__":
    main()
