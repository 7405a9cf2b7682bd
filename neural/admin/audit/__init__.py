"""The audit log in the admin: what people did and tried is recorded, named, listed and searched.

Its main names are ``log_changes`` (an act on rows, in both logs), ``audited`` (the forms of an
admin leave entries) and ``register_action_title`` (what the acts of a code are called). Every page
that changes something uses it; each row's page shows what the log has about the row.
"""
