from tests.unit.test_terms import *
