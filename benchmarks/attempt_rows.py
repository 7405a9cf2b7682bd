"""Measures what a database row for each successful first attempt would cost.

    python -m benchmarks.attempt_rows

Settles the same runs with and without such a row, in turn. Prints JSON: runs a second, processor
time a run, and on PostgreSQL the bytes written to its log and the table's size.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("Does an attempt that succeeds at once need a row of its own?")
    arguments.add_argument("--runs", type=int, default=4000, help="runs of each measurement")
    options = arguments.parse_args()
    measure("benchmarks.measure_attempt_rows", [options.runs], options)


if __name__ == "__main__":
    main()
