from tests.unit.test_people import *

# They read SQLite's file.
del test_passwords_are_kept_as_argon2_hashes_only, test_secrets_are_kept_as_hashes_only
