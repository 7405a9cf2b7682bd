"""Retention: deletes what is finished and old every night, and counts it for people beforehand."""
