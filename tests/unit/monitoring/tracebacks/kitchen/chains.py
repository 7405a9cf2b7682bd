"""Faults with chains, groups, nested tracebacks, threads, processes and coroutines."""

import asyncio
import concurrent.futures.process
import traceback


class Wrapped(Exception):
    pass


class Remote(Exception):
    pass


def _wrapping(call, n):
    try:
        call(n)
    except Exception as error:
        raise Wrapped(f"order {n} failed") from error


def _no_price(n):
    return {"a": n}["price"]


def _no_name(n):
    return {"a": n}["name"]


def _division(n):
    return n / 0


def wrapped_price(n):
    _wrapping(_no_price, n)


def wrapped_name(n):
    _wrapping(_no_name, n)


def wrapped_division(n):
    _wrapping(_division, n)


def from_none(n):
    try:
        _division(n)
    except ZeroDivisionError:
        raise Wrapped(f"order {n} failed") from None


def while_handling(n):
    try:
        _division(n)
    except ZeroDivisionError as error:
        return error.price


def three_deep(n):
    try:
        wrapped_name(n)
    except Wrapped as error:
        raise RuntimeError(f"given up after {n} attempts") from error


def a_group(n):
    raise ExceptionGroup("several", [ValueError(f"bad {each}") for each in range(n)])


def another_group(n):
    raise ExceptionGroup("several", [ValueError(f"bad {n}"), TypeError(f"not {n}")])


def _caught(call, n):
    try:
        call(n)
    except Exception as error:
        return error


def group_of_raised(n):
    errors = [_caught(_no_price, n), _caught(_division, n)]
    raise ExceptionGroup(f"{len(errors)} failed", errors)


def nested_group(n):
    inner = ExceptionGroup("inner", [_caught(wrapped_price, n) for _ in range(n)])
    raise ExceptionGroup("outer", [inner, OSError(5, "I/O error", f"/data/{n}")])


def other_nested_group(n):
    inner = ExceptionGroup("inner", [_caught(wrapped_name, n) for _ in range(n)])
    raise ExceptionGroup("outer", [inner, OSError(5, "I/O error", f"/data/{n}")])


def group_from_an_error(n):
    try:
        _division(n)
    except ZeroDivisionError as error:
        raise ExceptionGroup("several", [KeyError("price")]) from error


async def _cook(n):
    await asyncio.sleep(0)
    return {}["wok"]


async def _serve(n):
    await asyncio.sleep(0)
    raise Wrapped(f"table {n} left")


async def _together(n):
    async with asyncio.TaskGroup() as group:
        group.create_task(_cook(n))


async def _late(n):
    async with asyncio.timeout(0):
        await asyncio.sleep(60 + n)


def coroutine(n):
    asyncio.run(_cook(n))


def other_coroutine(n):
    asyncio.run(_serve(n))


def task_group(n):
    asyncio.run(_together(n))


def late(n):
    asyncio.run(_late(n))


def in_a_thread(n):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(_no_price, n).result()


def other_in_a_thread(n):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(_no_name, n).result()


def _told(call, n):
    """As a server tells of it: the traceback is the message."""
    try:
        call(n)
    except Exception as error:
        raise Remote(f"worker {n}\n" + traceback.format_exc()) from None


def told_division(n):
    _told(_division, n)


def told_price(n):
    _told(_no_price, n)


def told_chain(n):
    _told(wrapped_price, n)


def told_other_chain(n):
    _told(wrapped_division, n)


def _from_a_process(call, n):
    """As a pool of processes raises it: the traceback is the message of its cause."""
    try:
        call(n)
    except Exception as error:
        text = "\n" + f'"""\n{traceback.format_exc()}"""'
        raise ValueError("in a process") from concurrent.futures.process._RemoteTraceback(text)


def process_price(n):
    _from_a_process(_no_price, n)


def process_division(n):
    _from_a_process(_division, n)


def deep_in_a_long_text(n):
    raise Wrapped("x " * 40_000 * n)
