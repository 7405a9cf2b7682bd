"""Starts, watches and ends the processes of one machine, with their lines in one terminal."""
