"""Personal data: which values of payloads are a person's, hiding them from those who may not see
them, and erasing a person.

Pages, the API, logs and exports mask by its rules; ``manage.py erase_person`` and its page erase by
them.
"""
