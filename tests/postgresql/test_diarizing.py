from tests.unit.test_diarizing import *
