from tests.unit.test_once import *
