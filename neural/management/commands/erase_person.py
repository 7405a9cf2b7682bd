"""`manage.py erase_person`: takes a person's data out of everything that is kept."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import CommandError, CommandParser
from django.utils.crypto import salted_hmac
from tqdm import tqdm

from neural import audit
from neural.events.erasing import ERASABLES, Step, StoodBeside, erase
from neural.events.not_erased import Findings, not_erased
from neural.events.runs_under_way import RunsAwaited
from neural.management.teaching import TeachingCommand
from neural.models import AuditOutcome, AuditSource, Store
from neural.personal.beside import Beside
from neural.personal.person import Person
from neural.personal.redacting import key_rules

PERMISSION = "neural.erase_personal_data"
ACTION = "person.erase"
LONGEST_REASON = 500
WAIT_SECONDS = 60
BESIDE = "with what stands beside the person, such as the name alone"
LEFT = "Not erased, though they name the person:"
LEFT_BESIDE = (
    "Left, with a name or an address that stood beside the person. It may be somebody else's, too:"
)


class Command(TeachingCommand):
    """Erases a person from events, runs, read models, the search index and what else is kept."""

    help = """
        Erases a person: each payload, error, result and read model that names the person by phone,
        e-mail address, member id or name gets [erased] in place of the person's data. Without
        --yes nothing is changed: the command counts the rows that name the person.

        Every table is read to its end, in small steps beside live work. The command may be stopped
        or killed at any time: started again it erases what is left. Runs that are at work may
        write what they had read before: the command waits until they have ended, and reads the
        tables again. A name, an address or another phone that stands beside the person is looked
        for once more in the same store, and erased where it can be nobody else's; where it is left
        is told. Ids and content hashes of events stay, so that an event that a till sends
        again is a duplicate. Ids and other fields that name the person and are not erased are
        counted, by table and field. What is not reached, such as backups and other systems, is
        named in docs/personal-data.md.
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
        if not yes:
            steps = erase(person, store=store, dry_run=True)
            found: Counter[str] = Counter()
            self._report(found, self._go(steps, found), verb="name the person")
            self._look(person, store)
            self.stdout.write("Nothing was changed. To erase: --yes --by WHO --reason WHY.")
            return
        user = _allowed(by)
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise CommandError(f"--reason: 1 to {LONGEST_REASON} characters", returncode=2)
        self._erase(person, store, user, reason.strip(), options["wait"])

    def _erase(self, person: Person, store: str, user: Any, reason: str, seconds: float) -> None:
        def tell(outcome: AuditOutcome, step: str, *, count: int = 0, **details: Any) -> None:
            audit.record_user(
                user,
                action=ACTION,
                source=AuditSource.COMMAND,
                store=store or None,
                reason=reason,
                details={
                    "step": step,
                    "person": _hashes(person),
                    **{name: value for name, value in details.items() if value},
                },
                outcome=outcome,
                count=count,
            )

        found: Counter[str] = Counter()
        found_beside: StoodBeside = {}
        tell(AuditOutcome.DONE, "begun")
        awaited = RunsAwaited(seconds=seconds)
        try:
            steps = erase(
                person,
                store=store,
                dry_run=False,
                wait_for=awaited.wait_for,
                found_beside=found_beside,
            )
            unread = self._go(steps, found)
        except BaseException:
            tell(AuditOutcome.FAILED, "stopped", count=found.total(), rows=dict(+found))
            raise
        late = len(awaited.unfinished)
        tell(
            AuditOutcome.FAILED if unread or late else AuditOutcome.DONE,
            "finished",
            count=found.total(),
            rows=dict(+found),
            unread=unread,
            under_way=late,
        )
        self._report(found, unread, verb="were changed")
        self.stdout.write("Workers bring the search index up to date within minutes.")
        # By now the person is erased, and the log says so, whatever becomes of this look.
        try:
            findings = self._look(person, store)
            beside = self._look_beside(person, found_beside, store)
        except BaseException:
            tell(AuditOutcome.FAILED, "look stopped")
            raise
        tell(
            AuditOutcome.FAILED if findings.unread or findings.unreadable else AuditOutcome.DONE,
            "looked at the rest",
            not_erased=findings.rows,
            beside=beside.rows,
            unread=findings.unread,
            unreadable=findings.unreadable,
        )
        _end(unread + findings.unread, late)

    def _go(self, steps: Iterable[Step], found: Counter[str]) -> int:
        """Go through the steps and count what each found; returns how many rows are unread."""
        unread = 0
        with tqdm(unit=" rows", disable=None) as bar:
            for step in steps:
                found[BESIDE if step.is_beside else step.name] += step.found
                unread += step.unread
                bar.set_description(step.name)
                bar.update(step.looked_at)
        return unread

    def _look_beside(self, person: Person, found: StoodBeside, store: str) -> Findings:
        """Look for what stood beside the person, and tell where it is left."""
        values = frozenset(each for values in found.values() for each in values)
        if not values:
            return Findings()
        who = Beside(of=person, values=values, rules=person.rules)
        return self._look(who, store, LEFT_BESIDE)

    def _look(self, person: Person, store: str, told: str = LEFT) -> Findings:
        """Look for what names the person and is not erased, and tell it."""
        findings = Findings()
        with tqdm(unit=" rows", disable=None) as bar:
            for look in not_erased(person, store=store):
                bar.set_description(look.name)
                bar.update(look.looked_at)
                findings.add(look)
        self._tell(findings, told)
        return findings

    def _report(self, found: Counter[str], unread: int, *, verb: str) -> None:
        for name in (*ERASABLES.names(), BESIDE):
            if found[name]:
                self.stdout.write(f"{found[name]:8,}  {name}")
        self.stdout.write(f"{found.total():8,}  rows {verb}.")
        if unread:
            self.stdout.write(f"{unread:8,}  rows are nested too deep to be read.")

    def _tell(self, findings: Findings, told: str) -> None:
        if findings.rows:
            self.stdout.write(told)
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


def _hashes(person: Person) -> dict[str, str]:
    """What was erased, as nobody can read it: whoever asks later about a phone can be told whether
    it was, with the SECRET_KEY of this deployment."""
    known = {
        "phone": person.digits,
        "email": person.email.lower(),
        "member_id": person.member_id,
        "name": person.name,
    }
    return {
        name: salted_hmac(ACTION, value, algorithm="sha256").hexdigest()[:32]
        for name, value in known.items()
        if value
    }
