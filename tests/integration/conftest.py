"""What a failed test on a whole product leaves for who reads it: only there can it be seen why."""

import sqlite3
from collections.abc import Generator

import pytest

from tests.integration.product import Product


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the product's account of itself to the report of a failure."""
    report = yield
    product = getattr(item, "funcargs", {}).get("product")
    if report.failed and call.when == "call" and isinstance(product, Product):
        try:
            account = product.account()
        except (OSError, sqlite3.Error) as error:
            account = f"none: {error!r}"
        report.sections.append(("borgui's own account", account))
    return report
