import random

from hypothesis import given
from hypothesis import strategies as st

from services.audio.transcript import Segment, Transcript
from services.documents.document import Document, Page
from services.jobs.compare import Change, compare


def transcript(*lines: str) -> Transcript:
    segments = [Segment(float(n), n + 1.0, line) for n, line in enumerate(lines)]
    return Transcript(" ".join(lines), float(len(lines)), "en", "e", "m", segments=segments)


def test_nothing_changed():
    one = transcript("one two three", "four")
    found = compare(one, one)
    assert found.changes == [] and found.same == 1.0


def test_a_word_a_lost_and_a_new_one():
    before = transcript("the cat sat on the mat", "and slept")
    after = transcript("the bat sat on mat", "and slept well")
    found = compare(before, after)
    assert found.changes == [Change("cat", "bat"), Change("the", ""), Change("", "well")]
    assert found.same == 6 / 8


def test_other_segments_with_the_same_words_are_no_change():
    for other in (["one two", "three four"], ["", "one two three four", ""]):
        found = compare(transcript("one two three four", ""), transcript(*other))
        assert found.changes == [] and found.same == 1.0
    # “one” stands at the beginning of the one and at the end of the other.
    found = compare(transcript("one", "two one"), transcript("one two", "one"))
    assert found.changes == [] and found.same == 1.0


def test_pages_are_compared_by_lines():
    def document(text: str) -> Document:
        return Document({}, [Page(1, "Title\nfirst line"), Page(2, text)], "pypdf")

    found = compare(document("second line"), document("second page"))
    assert found.changes == [Change("line", "page")]


def test_nothing_at_all():
    assert compare(transcript(), transcript()).same == 1.0
    assert compare(transcript(), transcript("one")).changes == [Change("", "one")]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12).map(" ".join)


@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4))
def test_the_changes_are_all_that_differs(before, after):
    old, new = transcript(*before), transcript(*after)
    found = compare(old, new)
    lost = [word for change in found.changes for word in change.before.split()]
    won = [word for change in found.changes for word in change.after.split()]
    kept = len(" ".join(before).split()) - len(lost)
    assert kept == len(" ".join(after).split()) - len(won)
    assert bool(found.changes) == (" ".join(before).split() != " ".join(after).split())
    assert 0 <= found.same <= 1


def test_ten_hours_of_words_are_compared():
    random.seed(1)
    words = [random.choice("abcdefgh") * random.randint(1, 6) for _ in range(100_000)]
    changed = [w if random.random() > 0.05 else "other" for w in words]

    def lines(some: list[str]) -> Transcript:
        return transcript(*(" ".join(some[n : n + 12]) for n in range(0, len(some), 12)))

    found = compare(lines(words), lines(changed))
    assert 0.93 < found.same < 0.97
