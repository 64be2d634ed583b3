from tests.unit.test_store import *

# On a store in memory: the order of the queue, whatever keeps it.
del test_places_agree_with_the_order_in_which_jobs_are_claimed
