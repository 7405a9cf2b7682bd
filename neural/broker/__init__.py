"""Messages and the broker that carries them.

Publishing, reading whatever comes in, and Kombu where it needs help. Decides nothing about runs.
"""
