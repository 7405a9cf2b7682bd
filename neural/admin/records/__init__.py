"""The pages of single models: events, refused events, runs, stores, workers, schedules, users.

Each module registers one ``ModelAdmin`` and its verbs, such as ``TaskRunAdmin`` and
``WorkerProcessAdmin``. ``neural.admin`` imports them all when Django looks for admin modules;
nobody else does.
"""
