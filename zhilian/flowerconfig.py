"""Flower's configuration: `celery -A zhilian flower`. docs/how-to/flower.md says how to use it.

Flower executes this file; `zhilian.celery` names it in FLOWER_CONF. By default, Flower listens on
every network interface, and without a password everybody there can read the arguments of all tasks.
"""

import ipaddress
import sys

from tornado.options import options

LOOPBACK = "127.0.0.1"


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def stay_private() -> None:
    """Listen on loopback unless told otherwise; exit if others could connect without a login.

    Called when command line, environment and this file have been read. A prefix or proxy headers
    mean that a proxy lets others in.
    """
    options.address = options.address or LOOPBACK
    is_proxied = options.url_prefix or options.xheaders
    if options.basic_auth or options.auth or (is_loopback(options.address) and not is_proxied):
        return
    sys.exit(
        f"Flower on {options.address} would show the arguments of all tasks to whoever can reach "
        "it. Set FLOWER_BASIC_AUTH=name:password in the environment, or leave out --address, "
        "--url-prefix and --xheaders."
    )


options.add_parse_callback(stay_private)

# Tasks kept in memory, each with its arguments and its result.
max_tasks = 10_000
# A worker that was stopped is listed as offline for a day.
purge_offline_workers = 24 * 3600
tasks_columns = "name,uuid,state,args,received,started,runtime,retries,worker"
