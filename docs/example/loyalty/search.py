"""The search collection of members: which rows it has, and what is searched in each."""

from collections.abc import Mapping
from typing import Any

import neural

from loyalty.models import Account


class Members(neural.Rows):
    """Accounts; within a store, each is identified by its member."""

    model, name = Account, "member"
    walked_by = ("store", "member")  # the columns of the unique constraint

    def record(self, row: Account) -> Mapping[str, Any]:
        """The row's values, as JSON can hold them."""
        return {"id": row.member, "store_id": row.store_id, "points": row.points}


def member_document(record: Mapping[str, Any]) -> neural.Document:
    """A pure function: what people type to find a member, and further text."""
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
