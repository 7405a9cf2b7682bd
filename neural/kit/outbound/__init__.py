"""What leaves the house: requests to servers that are not ours, and messages that wait to be sent.

``client`` makes one request, guarded against our own network and bounded; ``outbox`` has the row of
a message (``Outgoing``) and one attempt to send it (``post``); ``answers`` says what came of it.
Webhooks and alerts use all of it, and what asks a platform for details the client alone.
"""
