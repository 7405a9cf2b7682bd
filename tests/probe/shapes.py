"""Every shape of a canvas, of ledger tasks mixed with plain ones: each takes one number and ends in
notes, whose effects count how often it was done."""

from celery import chain, chord, group

from tests.probe.canvas import add, note, plain_add, plain_note, total
from tests.probe.tasks import give_back


def n():
    return note.s("n")


def p():
    return plain_note.s("p")


SHAPES = {
    "a task": n,
    "a chain of one": lambda: chain(n()),
    "a chain of two": lambda: add.s(1) | n(),
    "a chain": lambda: add.s(1) | add.s(10) | n(),
    "a chain that begins plain": lambda: plain_add.s(1) | n(),
    "a chain that ends plain": lambda: add.s(1) | p(),
    "a chain with a plain task": lambda: add.s(1) | plain_add.s(1) | n(),
    "a chain of plain tasks": lambda: plain_add.s(1) | p(),
    "a chain of chains": lambda: chain(add.s(1) | add.s(1), add.s(1) | n()),
    "a chain that ends in a group": lambda: add.s(1) | group(n(), p()),
    "a chain that ends in a chord": lambda: add.s(1) | group(add.s(1), plain_add.s(2)) | n(),
    "a chain with a chord": lambda: add.s(1) | group(add.s(1), plain_add.s(2)) | total.s() | n(),
    "a chain with a chord of plain tasks": lambda: (
        add.s(1) | group(plain_add.s(1), plain_add.s(2)) | total.s() | n()
    ),
    "a chain with a plain body": lambda: add.s(1) | group(add.s(1), add.s(2)) | p(),
    "a chain of chords": lambda: chain(
        group(add.s(1), add.s(2)), group(total.s(), give_back.s()), give_back.s(), n()
    ),
    "a group": lambda: group(n(), p()),
    "a group of one": lambda: group([n()]),
    "a group of a generator": lambda: group(each for each in (n(), p())),
    "a group of chains": lambda: group(add.s(1) | n(), plain_add.s(1) | p(), add.s(1) | p()),
    "a group of groups": lambda: group(group(n(), p()), n()),
    "a group of chords": lambda: group(chord([add.s(1), add.s(2)], n()), n()),
    "a chord": lambda: chord([add.s(1), add.s(2)], n()),
    "a chord of a group": lambda: chord(group(add.s(1), plain_add.s(2)), n()),
    "a chord of a generator": lambda: chord((add.s(each) for each in (1, 2)), n()),
    "a chord with plain tasks": lambda: chord([add.s(1), plain_add.s(2)], p()),
    "a chord of plain tasks": lambda: chord([plain_add.s(1), plain_add.s(2)], n()),
    "a chord of chains": lambda: chord([add.s(1) | add.s(1), plain_add.s(2) | add.s(1)], n()),
    "a chord with a chain": lambda: chord([add.s(1), add.s(2)], give_back.s() | n()),
    "a chord with a group": lambda: chord([add.s(1), plain_add.s(2)], group(n(), p())),
    "a chord with a chord": lambda: chord([add.s(1)], chord([give_back.s(), total.s()], n())),
    "a chord of chords": lambda: chord([chord([add.s(1)], give_back.s()), add.s(2)], n()),
}
