"""Examinations: a relay runs the probes and the rules of alerts, and keeps what they find."""
