"""Embedders: they turn text into vectors.

``base.Embedder`` is the interface, ``usem3.Usem3`` the default, and ``openai.OpenAiCompatible``
asks a server. ``choosing.embedder`` makes the one of the settings, for ``index`` and ``query``.
"""
