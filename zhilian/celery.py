"""The Celery application: `celery -A zhilian worker`."""

import os
from pathlib import Path

import neural

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")
# Celery would run Django's checks, which load every page, and ignore what they find.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
# Absolute, because Flower itself would look in the current directory.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))

app = neural.LedgerCelery("zhilian")
