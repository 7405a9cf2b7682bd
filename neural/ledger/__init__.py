"""The ledger: records, claims, executes, settles and prunes runs."""
