"""Faults of the database, as Django raises them."""

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F

from neural.models import NeuralEvent, Store, TaskRun


def _in_a_savepoint(call):
    with transaction.atomic():
        return call()


def no_row(n):
    Store.objects.get(code=f"S{n}")


def no_other_row(n):
    TaskRun.objects.get(pk=n)


def many_rows(n):
    for code in range(n + 1):
        Store.objects.get_or_create(code=f"M{code}")
    Store.objects.get(code__startswith="M")


def unique_store(n):
    Store.objects.get_or_create(code=f"S{n}")
    _in_a_savepoint(lambda: Store(code=f"S{n}").save(force_insert=True))


def unique_user(n):
    User.objects.get_or_create(username=f"lee{n}")
    _in_a_savepoint(lambda: User.objects.create(username=f"lee{n}"))


def not_null(n):
    _in_a_savepoint(lambda: User.objects.create(username=None, first_name=f"{n}"))


def check(n):
    _in_a_savepoint(lambda: TaskRun.objects.create(task_id=f"t{n}", queue="q", priority=11))


def no_table(n):
    _in_a_savepoint(lambda: connection.cursor().execute(f"SELECT {n} FROM kitchen_order"))


def no_column(n):
    _in_a_savepoint(lambda: connection.cursor().execute("SELECT wok FROM neural_store"))


def bad_statement(n):
    _in_a_savepoint(lambda: connection.cursor().execute("SELEKT 1"))


def bad_field(n):
    Store.objects.filter(wok=n)


def bad_value(n):
    TaskRun.objects.filter(priority=f"high {n}")


def bad_other_value(n):
    TaskRun.objects.filter(pk=f"first {n}")


def bad_expression(n):
    list(Store.objects.annotate(wok=F("pan")))


def no_attribute(n):
    return Store(code=f"S{n}").manager


def no_related(n):
    return User(username=f"u{n}").groups.all()


def protected(n):
    store = Store.objects.get_or_create(code=f"P{n}")[0]
    TaskRun.objects.create(task_id=f"p{n}", queue="q", store=store)
    store.delete()


def unsaved(n):
    _in_a_savepoint(lambda: NeuralEvent(store=Store(code=f"U{n}")).runs.create(task_id=f"{n}"))


def broken_transaction(n):
    with transaction.atomic():
        transaction.set_rollback(True)
        Store.objects.count()
