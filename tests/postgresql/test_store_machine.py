import pytest
from hypothesis import settings

from tests.unit import test_store_machine


class Store(test_store_machine.Store):
    """The same on PostgreSQL, each time in a new database."""

    new_database = None

    def _new_url(self):
        return Store.new_database()

    def _remove(self):
        pass


@pytest.fixture(autouse=True)
def server(new_database):
    Store.new_database = new_database


Store.TestCase.settings = settings(max_examples=10, stateful_step_count=40, deadline=None)
TestStore = pytest.mark.timeout(280)(Store.TestCase)
