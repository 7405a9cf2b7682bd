"""The Django application of the replay and of the drills."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReplayConfig(AppConfig):
    name = "neural.replay"
    label = "neural_replay"
    verbose_name = _("Neural replay and drills")
