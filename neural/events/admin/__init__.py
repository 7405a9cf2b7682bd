"""The pages of events and of refused events, and the correction of one."""

from neural.events.admin import events, refused_events

__all__ = ["events", "refused_events"]
