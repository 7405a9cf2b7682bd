"""`manage.py erase_person`: takes a person's data out of everything that is kept."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import CommandError, CommandParser
from tqdm import tqdm

from neural.management.teaching import TeachingCommand
from neural.models import Store
from neural.personal.erasing.erasure import BESIDE, LONGEST_REASON, PERMISSION, Erasure
from neural.personal.erasing.residue import Findings, Look
from neural.personal.erasing.tables import ERASABLES, Step
from neural.personal.person import Person
from neural.personal.redacting import key_rules

WAIT_SECONDS = 60
LEFT = "Not erased, though they name the person:"
WILL_STAY = "Will stay, though they name the person:"
FOLLOWS = "Workers bring the search index up to date within minutes."
LEFT_BESIDE = (
    "Left, with a name or an address that stood beside the person. It may be somebody else's, too:"
)


class Command(TeachingCommand):
    """Erase a person's data from everything that is kept."""

    help = """
        Erases a person: each payload, error, result and read model that names the person by phone,
        e-mail address, member id or name gets [erased] in place of the person's data. Without
        --yes nothing is changed: the command counts the rows that name the person.

        Every table is read to its end, in small steps beside live work. The command may be stopped
        or killed at any time: started again it erases what is left. Runs that are at work may
        write what they had read before: the command waits until they have ended, and reads the
        tables again. A name, an address or another phone that stands beside the person is looked
        for once more in the same store, and erased where it can be nobody else's; where it is left
        is said. Ids and content hashes of events stay, so that an event that a till sends
        again is a duplicate. Ids and other fields that name the person and are not erased are
        counted, by table and field. What is not reached, such as backups and other systems, is
        named in docs/how-to/personal-data.md.
    """
    after_help = """
        examples:
          manage.py erase_person --phone 13812345678
          manage.py erase_person --phone 13812345678 --by anna --reason "asked on 3 May" --yes
          manage.py erase_person --name 王小明 --store S01 --by anna --reason "asked" --yes

        exit codes:
          0  done; without --yes: counted
          1  not all was reached: rows are nested too deep, or runs have not ended in time
          2  wrong usage
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the options that say who is erased, by whom and why."""
        parser.add_argument("--phone", default="", help="in any usual form: 138 1234 5678")
        parser.add_argument("--email", default="", help="an e-mail address")
        parser.add_argument("--member-id", default="", help="the number of a member or an openid")
        parser.add_argument("--name", default="", help="a name; only together with --store")
        parser.add_argument("--store", default="", help="the code of the store to stay within")
        parser.add_argument("--by", default="", help="who erases: a user with the permission")
        parser.add_argument("--reason", default="", help="why; is kept in the audit log")
        parser.add_argument(
            "--wait",
            type=float,
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help="how long to wait in all for runs that are at work (default: %(default)s)",
        )
        parser.add_argument("--yes", action="store_true", help="erase, and do not only count")

    def handle(self, *, yes: bool, by: str, reason: str, store: str, **options: Any) -> None:
        """Count, or with ``yes`` erase."""
        person = _person(options, store)
        if store and not Store.objects.filter(pk=store).exists():
            raise CommandError(f"there is no store {store!r}", returncode=2)
        if not 0 <= options["wait"] < float("inf"):
            raise CommandError("--wait: seconds, 0 or more", returncode=2)
        if not yes:
            counted = Erasure(person=person, store=store)
            self._show(counted.go())
            self._report(counted, verb="name the person")
            self._show(counted.look())
            self._tell(counted.left, WILL_STAY)
            self.stdout.write("Nothing was changed. To erase: --yes --by WHO --reason WHY.")
            self.stdout.write(f"Then these rows are changed at once. {FOLLOWS}")
            return
        user = _allowed(by)
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise CommandError(f"--reason: 1 to {LONGEST_REASON} characters", returncode=2)
        self._erase(
            Erasure(
                person=person,
                store=store,
                by=user,
                reason=reason.strip(),
                wait_seconds=options["wait"],
            )
        )

    def _erase(self, erasure: Erasure) -> None:
        self._show(erasure.go())
        self._report(erasure, verb="were changed")
        self.stdout.write(FOLLOWS)
        self._show(erasure.look())
        self._tell(erasure.left, LEFT)
        self._tell(erasure.left_beside, LEFT_BESIDE)
        _end(erasure.unread + erasure.left.unread, erasure.under_way)

    def _show(self, steps: Iterable[Step | Look]) -> None:
        """Go through the steps, and show how far it is."""
        with tqdm(unit=" rows", disable=None) as bar:
            for step in steps:
                bar.set_description(step.name)
                bar.update(step.looked_at)

    def _report(self, erasure: Erasure, *, verb: str) -> None:
        found, unread = erasure.found, erasure.unread
        for name in (*ERASABLES.names(), BESIDE):
            if found[name]:
                self.stdout.write(f"{found[name]:8,}  {name}")
        self.stdout.write(f"{found.total():8,}  rows {verb}.")
        if unread:
            self.stdout.write(f"{unread:8,}  rows are nested too deep to be read.")

    def _tell(self, findings: Findings, text: str) -> None:
        if findings.rows:
            self.stdout.write(text)
        for field, rows in sorted(findings.rows.items()):
            named = [str(each) for each in findings.keys[field]]
            keys = ", ".join(named) + (", …" if rows > len(named) else "")
            self.stdout.write(f"{rows:8,}  {field} ({keys})")
        if findings.unread:
            self.stdout.write(f"{findings.unread:8,}  other rows are nested too deep to be read.")
        for table in findings.unreadable:
            self.stdout.write(f"The table of {table} could not be read: look there yourself.")


def _end(unread: int, late: int) -> None:
    """Raise CommandError with what was not reached."""
    reasons = []
    if unread:
        reasons.append(f"{unread:,} rows are nested too deep to be read")
    if late:
        reasons.append(
            f"{late:,} runs are still under way, and may write what they had read before: enter "
            "the command again when they have ended"
        )
    if reasons:
        raise CommandError("; ".join(reasons), returncode=1)


def _person(options: dict[str, Any], store: str) -> Person:
    known = {name: options[name].strip() for name in ("phone", "email", "member_id", "name")}
    if not any(known.values()):
        raise CommandError("say who: --phone, --email, --member-id or --name", returncode=2)
    if known["name"] and not store:
        raise CommandError("--name needs --store: many people have one name", returncode=2)
    for name in ("member_id", "name"):
        if 0 < len(known[name]) < 2:
            raise CommandError(f"{known[name]!r} is too short to find one person", returncode=2)
    person = Person(**known, rules=key_rules())
    try:
        person.check()
    except ValueError as error:
        raise CommandError(str(error), returncode=2) from error
    return person


def _allowed(by: str) -> Any:
    """The user who erases. Whoever may enter commands may do anything: the name says who is to
    answer for it, and the permission who may be named."""
    users = get_user_model()._default_manager
    user = users.filter(**{get_user_model().USERNAME_FIELD: by}).first() if by else None
    if user is None:
        raise CommandError(f"--by: there is no user {by!r}", returncode=2)
    if not (user.is_active and user.has_perm(PERMISSION)):
        raise CommandError(f"--by: {by} lacks the permission {PERMISSION}", returncode=2)
    return user
