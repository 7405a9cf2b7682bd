"""See :mod:`neural.personal.erasing.tables`; apps register what is to be erased from here, too."""

from neural.personal.erasing.tables import Erasable, register_erasable

__all__ = ["Erasable", "register_erasable"]
