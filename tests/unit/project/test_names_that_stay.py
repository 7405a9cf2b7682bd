"""Names that rows, messages and other programs have: they stay when code moves."""

import json
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps
from django.core.management import get_commands

import neural
from neural.events.registry import handler_names
from neural.kit.conf import owners
from neural.kit.tasks import load_tasks
from zhilian import environment

RELEASED = sorted((Path(__file__).parents[1] / "ledger" / "first").glob("*.names.json"))

TASKS = {
    "neural.tasks.act_on_runs",
    "neural.tasks.advance_training_round",
    "neural.tasks.accumulate",
    "neural.tasks.analyse_demand",
    "neural.tasks.answer_training_exchange",
    "neural.tasks.batch_index_orders",
    "neural.tasks.call_each",
    "neural.tasks.call_error_callback",
    "neural.tasks.count_in_chord",
    "neural.tasks.deliver_webhook",
    "neural.tasks.index_marked",
    "neural.tasks.index_to_vector_db",
    "neural.tasks.make_forecasts",
    "neural.tasks.process_neural_event",
    "neural.tasks.prune_old_rows",
    "neural.tasks.rebuild_search_index",
    "neural.tasks.reconcile_source",
    "neural.tasks.reconcile_sources",
    "neural.tasks.route_pushes",
    "neural.tasks.run_federated_round",
    "neural.tasks.send_alert",
    "neural.tasks.send_signature",
    "neural.tasks.tend_search_indexes",
    "neural.tasks.train_federated_model",
}
HANDLERS = {
    "neural.cancel_order",
    "neural.merge_orders",
    "neural.record_availability",
    "neural.record_day_close",
    "neural.record_dish",
    "neural.record_menu",
    "neural.record_opening",
    "neural.record_order",
    "neural.record_payment",
    "neural.record_refund",
    "neural.record_sales",
    "neural.record_stock",
    "neural.record_time",
    "neural.schedule_shift",
    "neural.settle_orders",
    "neural.translate_push",
    "neural.update_deliveries",
}
TABLES = {
    "neural_activemodel",
    "neural_api_apikey",
    "neural_api_apikey_stores",
    "neural_availability",
    "neural_auditedrow",
    "neural_auditentry",
    "neural_awaitedmember",
    "neural_batch",
    "neural_bulkaction",
    "neural_bulkactionitem",
    "neural_dailydemand",
    "neural_dayclose",
    "neural_demandsummary",
    "neural_dish",
    "neural_forecast",
    "neural_forecast_accuracy",
    "neural_hooks_delivery",
    "neural_hooks_reconciliation",
    "neural_hooks_storecode",
    "neural_hooks_subscribedtype",
    "neural_hooks_subscription",
    "neural_hooks_subscription_stores",
    "neural_hooks_unroutedpush",
    "neural_hooks_webhooksource",
    "neural_indexlane",
    "neural_indexmark",
    "neural_logins_loginfailures",
    "neural_menu",
    "neural_modelversion",
    "neural_monitoring_alert",
    "neural_monitoring_alertchannel",
    "neural_monitoring_alertmessage",
    "neural_monitoring_alertrule",
    "neural_monitoring_errorgroup",
    "neural_monitoring_errorgrouphit",
    "neural_monitoring_errorgrouphour",
    "neural_monitoring_eventfigures",
    "neural_monitoring_examination",
    "neural_monitoring_failedrun",
    "neural_monitoring_hourfigures",
    "neural_monitoring_minutefigures",
    "neural_monitoring_readmark",
    "neural_monitoring_tally",
    "neural_monitoring_totalevents",
    "neural_monitoring_totalfigures",
    "neural_neuralevent",
    "neural_openingstate",
    "neural_order",
    "neural_orderline",
    "neural_payment",
    "neural_queuepause",
    "neural_runedit",
    "neural_savedview",
    "neural_refusedevent",
    "neural_roundtransition",
    "neural_salesreport",
    "neural_schedulepolicy",
    "neural_searchindex",
    "neural_searchpiece",
    "neural_searchrow",
    "neural_searchterm",
    "neural_shift",
    "neural_shippeddefault",
    "neural_stocklevel",
    "neural_store",
    "neural_store_operators",
    "neural_storedvector",
    "neural_storeupdate",
    "neural_suppliedrecord",
    "neural_taskrun",
    "neural_tasktry",
    "neural_timecard",
    "neural_trainingplan",
    "neural_trainingplan_participants",
    "neural_traininground",
    "neural_vectorcolumn",
    "neural_workerprocess",
}


def test_tasks_keep_their_names():
    load_tasks()

    assert {name for name in current_app.tasks if name.startswith("neural.")} == TASKS


def test_handlers_keep_their_names():
    assert {name for name in handler_names() if name.startswith("neural.")} == HANDLERS


def test_tables_keep_their_names():
    models = apps.get_models(include_auto_created=True)
    tables = {model._meta.db_table for model in models}

    assert {name for name in tables if name.startswith("neural_")} == TABLES


@pytest.mark.parametrize("release", RELEASED, ids=lambda path: path.name.partition(".names")[0])
def test_settings_commands_and_public_names_of_each_release_are_still_there(release):
    """One that goes was deprecated for a minor version, and then leaves the file
    (docs/reference/versions.md)."""
    present = {
        "settings": set(owners()),
        "variables": set(environment.VARIABLES),
        "commands": set(get_commands()),
        "public": set(neural.__all__),
    }

    for kind, names in json.loads(release.read_text()).items():
        assert set(names) - present[kind] == set(), kind
