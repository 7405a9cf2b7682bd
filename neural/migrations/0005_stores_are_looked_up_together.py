"""PostgreSQL looks up the stores of all events of a statement at once.

Two foreign keys had it look up a store for each event and again for each of its runs: a quarter of
what an event of a batch cost the server (docs/performance.md). What they guaranteed, triggers do:
an event has a store; so has a run without an event, if it names one; the store of a run with an
event is the event's. A store with events or runs cannot be deleted, by whatever statement. SQLite
keeps its foreign keys, which cost it little.
"""

import django.db.models.deletion
from django.db import migrations, models

from neural.online import RunOnPostgreSQL

# KEY SHARE, as foreign keys lock: nobody deletes a store to which an open transaction refers.
CREATE = (
    """
CREATE OR REPLACE FUNCTION neural_events_have_stores() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE unknown text;
BEGIN
    PERFORM FROM neural_store WHERE code IN (SELECT store_id FROM added) FOR KEY SHARE;
    SELECT store_id INTO unknown FROM added
        WHERE NOT EXISTS (SELECT FROM neural_store WHERE code = store_id) LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('there is no store %L', unknown);
    END IF;
    RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE FUNCTION neural_run_has_store() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM neural_store WHERE code = NEW.store_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('there is no store %L', NEW.store_id);
    END IF;
    RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE FUNCTION neural_store_is_unused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM neural_neuralevent WHERE store_id = OLD.code)
            OR EXISTS (SELECT FROM neural_taskrun WHERE store_id = OLD.code) THEN
        RAISE foreign_key_violation
            USING MESSAGE = format('store %L still has events or runs', OLD.code);
    END IF;
    RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE TRIGGER neural_events_have_stores AFTER INSERT ON neural_neuralevent
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION neural_events_have_stores()
""",
    "DROP TRIGGER IF EXISTS neural_run_has_store ON neural_taskrun",
    """
CREATE CONSTRAINT TRIGGER neural_run_has_store AFTER INSERT OR UPDATE OF store_id ON neural_taskrun
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.event_id IS NULL AND NEW.store_id IS NOT NULL)
    EXECUTE FUNCTION neural_run_has_store()
""",
    "DROP TRIGGER IF EXISTS neural_store_is_unused ON neural_store",
    """
CREATE CONSTRAINT TRIGGER neural_store_is_unused AFTER DELETE OR UPDATE OF code ON neural_store
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION neural_store_is_unused()
""",
)
KEYS = {
    "neural_neuralevent": "neural_neuralevent_store_id_3643dda5_fk_neural_store_code",
    "neural_taskrun": "neural_taskrun_store_id_9fcb611e_fk_neural_store_code",
}
ADDED = """
ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (store_id) REFERENCES neural_store (code)
    DEFERRABLE INITIALLY DEFERRED NOT VALID
"""


def store(related_name: str, **options: bool) -> "models.ForeignKey[models.Model]":
    return models.ForeignKey(
        "neural.store",
        django.db.models.deletion.PROTECT,
        related_name=related_name,
        verbose_name="store",
        db_index=False,
        db_constraint=False,
        **options,
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("neural", "0004_attempts_store_facts_of_their_exceptions")]
    operations = [
        RunOnPostgreSQL(
            [
                *CREATE,
                *(
                    f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"
                    for table, name in KEYS.items()
                ),
            ],
            [
                *(ADDED.format(table=table, name=name) for table, name in KEYS.items()),
                *(
                    f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"
                    for table, name in KEYS.items()
                ),
                *(
                    f"DROP FUNCTION IF EXISTS neural_{name}() CASCADE"
                    for name in ("events_have_stores", "run_has_store", "store_is_unused")
                ),
            ],
            state_operations=[
                migrations.AlterField("neuralevent", "store", store("events")),
                migrations.AlterField("taskrun", "store", store("runs", null=True, blank=True)),
            ],
        )
    ]
