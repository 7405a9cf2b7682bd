"""`manage.py reencrypt`: encrypts stored credentials anew, after a change of SECRET_KEY."""

from typing import Any

from django.core.management import CommandError, CommandParser

from neural.kit.encrypted import encrypt_anew
from neural.management.acting import add_who, recorded
from neural.management.teaching import TeachingCommand

ACTION = "credentials.reencrypt"


class Command(TeachingCommand):
    """Encrypt stored credentials anew, after a change of the secret key."""

    help = """
        Encrypts the credentials of webhook sources, the secrets of subscriptions and the addresses
        of alert channels with the present SECRET_KEY, where a former one was used that is among
        SECRET_KEY_FALLBACKS. Run it after all processes have been restarted with the new key; then
        the former key can be taken out of SECRET_KEY_FALLBACKS. It may run beside live work, and
        again and again.
    """
    after_help = """
        examples:
          manage.py reencrypt
          manage.py reencrypt --by anna --reason "the key was in a backup"

        exit codes:
          0  every credential is encrypted with the present key
          1  some cannot be read: their key is not among SECRET_KEY_FALLBACKS
          2  wrong usage
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds who asks and why."""
        add_who(parser)

    def handle(self, **options: Any) -> None:
        """Encrypt anew, and tell what cannot be read."""
        unreadable = []
        with recorded(options, action=ACTION) as counted:
            for stored in encrypt_anew():
                counted.add(stored.is_changed)
                if not stored.is_readable:
                    unreadable.append(stored.name)
        self.stdout.write(f"{counted.count:8,}  credentials were encrypted anew.")
        if unreadable:
            raise CommandError(
                f"their key is not among SECRET_KEY_FALLBACKS: {', '.join(unreadable)}. Add the "
                "former key, or enter these credentials again in the admin",
                returncode=1,
            )
