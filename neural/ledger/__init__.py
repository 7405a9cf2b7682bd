"""The ledger at work: publishing, claiming, running, settling and the relay."""
