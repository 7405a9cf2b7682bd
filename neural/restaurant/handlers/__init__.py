"""The built-in handlers, which update the rows for each event type. ``orders.record_orders`` and
``payments.record_payment`` take what tills state, ``dishes`` and ``stores`` the rest. The ledger
calls them in its runs.

Events may arrive twice, late and out of order. Every handler compares versions, so any order of
arrival gives the same rows.
"""
