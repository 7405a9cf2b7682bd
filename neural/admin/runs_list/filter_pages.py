"""See :mod:`neural.runs.admin.runs_list.filter_pages`."""

from neural.runs.admin.runs_list.filter_pages import FilterPage, register_filter_page

__all__ = ["FilterPage", "register_filter_page"]
