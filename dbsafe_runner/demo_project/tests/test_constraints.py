"""What the database itself refuses, whatever the code above it does. Plain SQL, rolled back."""

import pytest
from psycopg import errors

CUSTOMER = (
    "INSERT INTO customers (id, email, name, password_hash, country_code) VALUES (1, 'a@b.c', 'A', 'x', 'DE')"
)
ORDER = "INSERT INTO orders (id, number, customer_id, total_cents) VALUES (1, 1, 1, 1000)"
LINE = (
    "INSERT INTO order_lines (order_id, position, product_id, quantity, unit_price_cents) "
    "VALUES (1, %s, %s, %s, 10)"
)


@pytest.fixture
def order(connection):
    """A customer and an order, both with the id 1."""
    connection.execute(CUSTOMER)
    connection.execute(ORDER)
    return connection


def test_second_customer_with_the_same_id(order):
    with pytest.raises(errors.UniqueViolation, match="customers_pkey"):
        order.execute(CUSTOMER.replace("a@b.c", "d@e.f"))


@pytest.mark.parametrize("email", ["", "nobody", "@example.org"])
def test_email_needs_an_at_sign(connection, email):
    with pytest.raises(errors.CheckViolation, match="email_has_at"):
        connection.execute(CUSTOMER.replace("a@b.c", email))


def test_order_number_is_unique(order):
    with pytest.raises(errors.UniqueViolation, match="orders_number_key"):
        order.execute(ORDER.replace("(1, 1,", "(2, 1,"))


def test_order_needs_a_customer(connection):
    with pytest.raises(errors.ForeignKeyViolation, match="orders_customer_id_fkey"):
        connection.execute(ORDER)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("UPDATE orders SET status = 'lost'", "status_known"),
        ("UPDATE orders SET total_cents = -1", "total_not_negative"),
        ("UPDATE products SET price_cents = 0 WHERE id = 1", "price_positive"),
        ("UPDATE products SET weight_grams = -1 WHERE id = 1", "weight_not_negative"),
        ("UPDATE tax_rates SET percent = 51 WHERE country_code = 'DE'", "percent_sensible"),
        ("UPDATE tax_rates SET tax_class = 'luxury' WHERE country_code = 'DE'", "tax_class_known"),
        ("UPDATE jobs SET status = 'lost'", None),
    ],
)
def test_checks(order, change, constraint):
    if constraint is None:
        order.execute("INSERT INTO jobs (kind) VALUES ('x')")
        constraint = "jobs_status_check"
    with pytest.raises(errors.CheckViolation, match=constraint):
        order.execute(change)


@pytest.mark.parametrize("quantity", [0, -5])
def test_line_quantity_is_positive(order, quantity):
    with pytest.raises(errors.CheckViolation, match="quantity_positive"):
        order.execute(LINE, (1, 1, quantity))


def test_product_once_per_order(order):
    order.execute(LINE, (1, 7, 1))
    with pytest.raises(errors.UniqueViolation, match="product_once_per_order"):
        order.execute(LINE, (2, 7, 1))


def test_deleting_an_order_deletes_its_lines(order):
    order.execute(LINE, (1, 7, 1))
    order.execute("DELETE FROM orders WHERE id = 1")
    assert order.execute("SELECT count(*) AS n FROM order_lines").fetchone()["n"] == 0


def test_customer_with_orders_stays(order):
    with pytest.raises(errors.ForeignKeyViolation, match="orders_customer_id_fkey"):
        order.execute("DELETE FROM customers WHERE id = 1")


def test_product_in_an_order_stays(order):
    order.execute(LINE, (1, 7, 1))
    with pytest.raises(errors.ForeignKeyViolation):
        order.execute("DELETE FROM products WHERE id = 7")


def test_generated_column_cannot_be_written(connection):
    with pytest.raises(errors.GeneratedAlways):
        connection.execute("UPDATE products SET search = 'x'::tsvector WHERE id = 1")


def test_audit_ids_cannot_be_chosen(connection):
    with pytest.raises(errors.GeneratedAlways):
        connection.execute(
            "INSERT INTO audit_log (id, actor, table_name, row_id, action, changes) "
            "VALUES (1, '', '', 1, '', '{}')"
        )


@pytest.mark.parametrize("month", ["2026-01-02", "2026-12-31"])
def test_payout_month_starts_on_the_first(connection, month):
    with pytest.raises(errors.CheckViolation):
        connection.execute("INSERT INTO payouts (seller_id, amount_cents, month) VALUES (1, 1, %s)", (month,))
