"""The pages of monitoring: home, queues, workers, schedules.

:class:`~neural.monitoring.console.site.ConsoleSite` makes the home the index of the admin,
:func:`~neural.monitoring.console.page.page_context` is the frame of each page, and
:func:`~neural.monitoring.console.verdict.verdict` says what needs somebody. People who run a chain
look at it, and the admin registers its pages.
"""
