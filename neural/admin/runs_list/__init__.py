"""Names under which apps know parts of :mod:`neural.runs.admin.runs_list`."""
