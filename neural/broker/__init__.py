"""Messages, and the broker that carries them.

The package publishes, checks incoming messages, and patches kombu. It decides nothing about runs.
"""
