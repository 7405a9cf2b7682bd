"""What a Celery user expects, done by real workers, on each result backend and broker."""
