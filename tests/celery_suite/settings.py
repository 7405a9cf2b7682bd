"""Settings of Celery's own suite on the ledger: its one queue, and no retry that it does not ask
for."""

import os
from pathlib import Path

from kombu import Exchange, Queue

from zhilian.database import configuration

VAR = Path(os.environ["CELERY_SUITE"])
SECRET_KEY = "celery's own tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.admin"]
INSTALLED_APPS += ["django_celery_results"] + (["neural"] if "ON_LEDGER" in os.environ else [])
DATABASES = {"default": configuration(url=os.environ.get("DATABASE_URL"), var=VAR, base_dir=VAR)}
NEURAL = {"search": False}

CELERY_BROKER_URL = os.environ["TEST_BROKER"]
CELERY_RESULT_BACKEND = os.environ["TEST_BACKEND"]
CELERY_RESULT_EXTENDED = True
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT = None
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_QUEUES = [Queue("celery", Exchange("celery"), routing_key="celery")]
