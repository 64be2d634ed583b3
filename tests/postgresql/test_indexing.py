from tests.unit.test_indexing import *
