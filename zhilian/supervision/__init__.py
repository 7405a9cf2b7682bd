"""The processes of one machine.

Started, watched, ended together, and their lines in one terminal.
"""
