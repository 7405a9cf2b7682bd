"""Measures how long a night of federated training takes through real workers, and its memory.

    python -m benchmarks.nightly_round                            100 stores, everything
    python -m benchmarks.nightly_round --stores 1000 --trees 0    the linear model alone

Each store has a year of three dishes (invented: a level, a weekday, a season, chance). The round
runs in two processes of a real worker, as every night: linear model, personal weights, trees,
judging. Prints JSON: seconds, in total and by phase, and the peak memory of the processes.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("How long a night of federated training takes through real workers.")
    arguments.add_argument("--stores", type=int, default=100)
    arguments.add_argument("--days", type=int, default=365)
    arguments.add_argument("--trees", type=int, help="0: the linear model alone (the plan's)")
    options = arguments.parse_args()
    trees = [] if options.trees is None else [options.trees]
    given = [options.stores, options.days, *trees]
    measure("benchmarks.measure_nightly_round", given, options)


if __name__ == "__main__":
    main()
