"""Personal data: which values of payloads are a person's, hiding them from those who may not see
them, and erasing a person."""
