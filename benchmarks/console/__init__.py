"""What `benchmarks.console_scale` measures: a large ledger, its viewers, and the traffic beside."""
