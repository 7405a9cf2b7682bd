"""Faults that really happen: each public function fails."""
