"""Keys of orders and payments: made from the event alone, and never the same for two orders."""

import datetime as dt

from hypothesis import example, given
from hypothesis import strategies as st

from neural.restaurant.keys import (
    KEY_LENGTH,
    LONGEST_CUT_PART,
    day_of,
    number_of,
    order_key,
    payment_key,
    till_of,
)
from neural.restaurant.models import Order, Payment

MONDAY, TUESDAY = dt.date(2026, 3, 2), dt.date(2026, 3, 3)

# As long as the schemas let them be, of the signs that a key gives a meaning.
SIGNS = st.sampled_from("/%~2F5aé茶 -") | st.characters(exclude_categories=("Cs", "Cc"))
IDS = st.text(SIGNS, min_size=1, max_size=100)
TILLS = st.text(SIGNS, max_size=60)
DAYS = st.none() | st.dates(dt.date(1970, 1, 1), dt.date(2200, 12, 31))
ORDERS = st.tuples(TILLS, DAYS, IDS)


def key(till: str, day: dt.date | None, order_id: str) -> str:
    return order_key(order_id=order_id, till=till, day=day)


def paid(order: tuple[str, dt.date | None, str], payment_id: str) -> str:
    till, day, _ = order
    return payment_key(payment_id=payment_id, order=key(*order), till=till, day=day)


class TestRules:
    def test_an_id_that_is_unique_for_ever_is_one_of_its_till(self):
        assert key("T1", None, "17") == "/T1/17"

    def test_a_number_that_begins_again_is_one_of_its_till_and_day(self):
        assert key("T1", MONDAY, "A-17") == "/T1/2026-03-02/A-17"

    def test_a_day_without_a_till_has_its_place_too(self):
        assert key("", MONDAY, "A-17") == "//2026-03-02/A-17"

    def test_an_id_of_the_first_version_is_its_own_key(self):
        for order_id in ("A-17", "T/7", "5%", "é 茶", "3f2a9c1e-7b", "~x", "a" * 100):
            assert key("", None, order_id) == order_id
            assert payment_key(payment_id=order_id, order="A-17") == order_id

    def test_a_slash_or_percent_sign_in_a_part_is_written_as_in_a_url(self):
        assert key("T/1", None, "5%") == "/T%2F1/5%25"

    def test_so_is_a_plain_id_that_begins_with_such_a_sign(self):
        assert key("", None, "/T1/5%") == "%2FT1%2F5%25"
        assert payment_key(payment_id="%1", order="A-17") == "%251"

    def test_a_payment_is_one_of_its_till(self):
        assert paid(("T1", None, "17"), "P1") == "/T1/P1"

    def test_a_payment_of_a_day_is_one_of_its_order(self):
        assert paid(("T1", MONDAY, "17"), "P1") == "/T1/2026-03-02/17/P1"


class TestOneOrderOneKey:
    @given(ORDERS, ORDERS)
    @example(("", None, "a/b"), ("a", None, "b"))
    @example(("a", None, "%2F"), ("a", None, "/"))
    @example(("", MONDAY, "17"), ("", None, "//2026-03-02/17"))
    @example(("", None, "/17"), ("", None, "%2F17"))
    def test_two_orders_never_have_one_key(self, one, other):
        assert (key(*one) == key(*other)) == (one == other)

    @given(ORDERS, st.integers(0, 99))
    def test_not_even_if_they_differ_in_one_sign_of_a_long_id(self, order, place):
        till, day, order_id = order
        long = (order_id * 100)[:100].replace("~", "/")
        other = long[:place] + "~" + long[place + 1 :]
        assert key(till, day, long) != key(till, day, other)

    @given(ORDERS)
    def test_no_other_order_is_named_like_a_key_that_was_cut(self, order):
        cut = key("/" * 60, MONDAY, "/" * 100)
        assert key(*order) != cut
        for part in cut.split("/"):
            assert key("", None, part) != cut

    @given(ORDERS, IDS, ORDERS, IDS)
    def test_two_payments_of_days_never_have_one_key(self, one, mine, other, yours):
        one, other = (one[0], one[1] or MONDAY, one[2]), (other[0], other[1] or MONDAY, other[2])
        assert (paid(one, mine) == paid(other, yours)) == ((one, mine) == (other, yours))

    @given(TILLS, IDS, TILLS, IDS)
    def test_nor_two_that_are_unique_for_ever(self, till, mine, other, yours):
        one, two = paid((till, None, "17"), mine), paid((other, None, "18"), yours)
        assert (one == two) == ((till, mine) == (other, yours))

    @given(ORDERS, IDS, TILLS, IDS)
    def test_nor_one_of_a_day_and_one_that_is_unique_for_ever(self, order, mine, till, yours):
        of_a_day = paid((order[0], order[1] or MONDAY, order[2]), mine)
        assert of_a_day != paid((till, None, "17"), yours)


class TestReading:
    @given(ORDERS)
    @example(("/" * 60, MONDAY, "%" * 100))
    def test_a_key_and_what_is_read_from_it_fit_their_columns(self, order):
        made = key(*order)
        assert len(made) <= KEY_LENGTH == Order._meta.get_field("key").max_length
        assert len(till_of(made)) <= Order._meta.get_field("till").max_length
        assert len(number_of(made)) <= Order._meta.get_field("number").max_length

    @given(ORDERS, IDS)
    def test_a_payments_key_fits_its_column(self, order, payment_id):
        assert len(paid(order, payment_id)) <= Payment._meta.get_field("key").max_length

    @given(TILLS, DAYS, st.text(SIGNS, min_size=1, max_size=LONGEST_CUT_PART))
    def test_till_day_and_number_are_read_back(self, till, day, order_id):
        made = key(till.replace("/", "-").replace("%", "-"), day, order_id)
        if "%~" not in made:
            assert till_of(made) == till.replace("/", "-").replace("%", "-")
            assert number_of(made) == order_id
        assert day_of(made) == day

    @given(ORDERS)
    def test_the_day_is_read_back_from_the_longest_key_too(self, order):
        assert day_of(key(*order)) == order[1]

    def test_a_number_of_the_first_version_has_no_day(self):
        for number in ("A-17", "a/b/c", "//", "//2026-02-30/1"):
            assert day_of(number) is None

    def test_a_number_that_looks_like_a_key_is_read_as_itself(self):
        made = key("", None, "/T1/2026-03-02/17")
        assert (till_of(made), day_of(made), number_of(made)) == ("", None, "/T1/2026-03-02/17")
