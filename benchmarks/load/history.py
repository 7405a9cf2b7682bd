"""Submits history as fast as it can, until it is stopped.

python -m benchmarks.load.history
"""

from itertools import count

import django

if __name__ == "__main__":
    django.setup()
    from benchmarks.load.events import sales_report, submit_all

    submit_all((sales_report("history", each) for each in count()), backfill=True)
