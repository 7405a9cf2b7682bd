"""Members can be searched: which rows they are, and what of each is searched."""

from collections.abc import Mapping
from typing import Any

import neural

from loyalty.models import Account


class Members(neural.Rows):
    """Accounts, each known by its member within a store."""

    model, name = Account, "member"
    walked_by = ("store", "member")  # as the unique constraint has them

    def record(self, row: Account) -> Mapping[str, Any]:
        """What stands in the row, as JSON would have it."""
        return {"id": row.member, "store_id": row.store_id, "points": row.points}


def member_document(record: Mapping[str, Any]) -> neural.Document:
    """A pure function: what people type to find the member, and what else it says."""
    return neural.Document(
        id=record["id"],
        store=record["store_id"],
        title=record["id"],
        text=f"{record['points']} points",
    )


MEMBERS = neural.register_collection(
    neural.SearchCollection(
        name="loyalty_members",
        label="members",
        document=member_document,
        source=Members(),
        address=Members().address,
        permission="loyalty.view_account",
    )
)
