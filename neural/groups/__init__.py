"""The groups viewer, operator and manager: which permissions they have, and making them.

Apps add theirs in a module ``neural_groups``. The command ``create_groups`` makes them.
"""
