"""Measures the HTTP API beside a bare Django view that inserts one row, in one run.

    python -m benchmarks.http_api
    python -m benchmarks.http_api --events 4000 --repeats 5

Both are served by the same two gunicorn processes; single events and bare rows take turns. Then
batches of NDJSON follow, and the largest memory of the processes during a batch of 16 MiB. Prints
JSON. Compare ratios, not rates: client, server and database share the machine.
"""

from benchmarks.isolated import measure, parser


def main() -> None:
    arguments = parser("Events that the HTTP API takes a second.")
    arguments.add_argument("--events", type=int, default=3000, help="single events of each turn")
    arguments.add_argument("--batch", type=int, default=10_000, help="events of each batch")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--connections", type=int, default=8)
    arguments.add_argument("--large", type=int, default=16, help="MiB of the batch for memory")
    options = arguments.parse_args()
    numbers = [
        *(options.events, options.batch, options.repeats, options.connections),
        options.large,
    ]
    measure("benchmarks.measure_http_api", numbers, options)


if __name__ == "__main__":
    main()
