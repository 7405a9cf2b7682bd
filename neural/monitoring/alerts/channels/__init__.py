"""How messages are written and sent, one module for each kind of channel.

Each kind has its platform's own format, limits, signature and answers. The modules of robots and of
the webhook import no Django: :mod:`posting` sends what they build.
"""
