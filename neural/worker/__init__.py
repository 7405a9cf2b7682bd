"""The process of a worker.

Its row, its heartbeat, what it takes from the broker, and the relay that publishes what is due.
"""
