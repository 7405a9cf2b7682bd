"""One class a platform: how it signs its pushes, what they say, and how it wants to be answered.
``base.Platform`` is what each of them implements; ``reading.Fields`` reads what was pushed and
``stating.Statement`` writes the events. Only ``incoming`` calls them, and they import no Django.
"""
