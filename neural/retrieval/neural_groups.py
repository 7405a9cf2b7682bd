"""In which groups the permissions of search are."""

from neural.groups.table import register_group_permissions

register_group_permissions(
    app="neural_retrieval",
    viewer=("view_search", "view_searchindex", "view_ingestedrecord", "view_outboxentry"),
    operator=("rebuild_searchindex",),
    read_only=("searchindex", "ingestedrecord", "outboxentry"),
)
