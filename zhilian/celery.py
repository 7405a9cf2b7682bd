"""The Celery application: `celery -A zhilian worker`."""

import os
from pathlib import Path

import neural

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")
# Absolute, because Flower itself would look in the current directory.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))

app = neural.LedgerCelery("zhilian")
