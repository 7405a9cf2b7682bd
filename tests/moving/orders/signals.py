from celery.signals import task_failure, task_retry, task_success


@task_success.connect
def note_success(sender, **_):
    note("success", sender)


@task_retry.connect
def note_retry(sender, **_):
    note("retry", sender)


@task_failure.connect
def note_failure(sender, **_):
    note("failure", sender)


def note(signal, sender):
    from orders.models import Noted

    if sender.name.startswith("orders."):
        Noted.objects.create(signal=signal, task=sender.name)
