"""The window of the brake slides. That is measured to a tenth of a second, so nothing may run beside it."""

import time

import pytest

from shop.throttle import Throttle


@pytest.mark.serial
def test_the_window_slides(autocommit):
    throttle = Throttle(limit=3, window=2)
    autocommit.execute(
        "INSERT INTO login_attempts SELECT 'ada@example.org', clock_timestamp() - interval '1.7 s' "
        "FROM generate_series(1, 2)"
    )
    throttle.record_failure(autocommit, "ada@example.org")
    time.sleep(0.35)
    assert throttle.failures(autocommit, "ada@example.org") == 1
