"""The result page of a recording: sound and text that follow each other, corrections, exports."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from services.audio import ALL_TRACKS
from services.audio.repetition import note, repetitions
from services.audio.segments import segments_from_words
from services.audio.transcript import Transcript, Word
from services.files import operations
from tests import media
from tests.browser.conftest import serving, wait_until
from tests.browser.test_dashboard import run
from tests.waiting import until

TEXT = """Good morning. The <b>scribes</b> copied the first book. Then the café burned down.
Nobody knew why. The scribes began again with the first book."""
UNCLEAR = {"café": 0.2, "why.": 0.7}
"""How sure the machine is of the words that it is not sure of."""


@dataclass
class Result:
    """A recording on a server: its page's address, and a way to give it another transcript."""

    address: str
    transcribe: Callable[..., None]


@pytest.fixture(scope="module")
def result(tmp_path_factory, browser) -> Result:
    """A recording of 30 s with a transcript that is known word by word, two words a second."""
    root = tmp_path_factory.mktemp("reader")
    sound = media.write_wav(root / "talk.wav", media.tone(30) * 0.1)
    with serving(root / "data") as server:
        page = browser.new_page()
        page.goto(server)
        run(page, sound)
        expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=120_000)
        page.get_by_role("button", name="talk.wav", exact=True).click()
        page.wait_for_url("**/result?job=*")
        address = page.url
        page.close()
        directory = root / "data" / "results" / address.rpartition("=")[2]

        def transcribe(
            text: str = TEXT, repeat: int = 1, duration: float = 30.0, misplaced: bool = False
        ) -> None:
            words = [
                Word(i / 2, i / 2 + 0.4, word, UNCLEAR.get(word, 0.95))
                for i, word in enumerate(text.split() * repeat)
            ]
            again = repetitions(words)
            made = Transcript(
                text,
                duration,
                "en",
                "e",
                "m",
                segments_from_words(words),
                words,
                notes=[note(one) for one in again],
                repetitions=again,
                misplaced=misplaced,
            )
            operations.write_atomic(directory / "result.json", json.dumps(made.as_dict()))
            operations.unlink(directory / "edits.json") if text == TEXT else None

        yield Result(address, transcribe)


@pytest.fixture(scope="module")
def window(browser) -> Iterator[Page]:
    """One window for all tests: a browser that has been here before loads the page faster."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(result, window) -> Page:
    """The page of a fresh transcript."""
    result.transcribe()
    window.goto(result.address)
    expect(window.locator(".passage")).to_have_count(5)
    return window


def seconds(page: Page) -> float:
    return float(page.locator("audio").evaluate("audio => audio.currentTime"))


def playing(page: Page, wanted: bool) -> None:
    wait_until(
        page,
        """wanted => [...document.querySelectorAll('*')].some(
            e => e.shadowRoot?.querySelector('audio')?.paused === !wanted)""",
        arg=wanted,
    )


def passage(page: Page, number: int):
    return page.locator(".passage").nth(number)


def change(page: Page, number: int, text: str) -> None:
    passage(page, number).get_by_role("button", name="Edit the text").click()
    field = passage(page, number).get_by_role("textbox", name="Text")
    field.fill(text)
    field.press("Enter")


def test_a_clicked_word_is_heard_and_words_light_up_as_they_are(page):
    page.get_by_text("began", exact=True).click()
    playing(page, True)
    assert 9.0 <= seconds(page) < 12
    expect(page.locator(".w.now")).to_have_text("again")
    expect(page.locator(".w.now")).to_have_text("first")
    expect(page.locator(".passage.now")).to_contain_text("began again")


def test_the_keyboard_plays_goes_back_and_to_unclear_words(page):
    page.get_by_text("Then", exact=True).click()
    playing(page, True)
    page.keyboard.press("Space")
    playing(page, False)
    before = seconds(page)
    page.keyboard.press("ArrowLeft")
    assert seconds(page) == pytest.approx(max(before - 5, 0), abs=0.1)
    for word in UNCLEAR:
        page.keyboard.press("n")
        expect(page.locator(".w.target")).to_have_text(word)
    page.keyboard.press("Shift+N")
    expect(page.locator(".w.target")).to_have_text("café")
    page.keyboard.press("?")
    expect(page.get_by_text("Next or previous unclear (shaded) word")).to_be_visible()
    page.keyboard.press("Escape")
    # Keys belong to a text while one is typed.
    page.keyboard.press("e")
    field = page.get_by_role("textbox", name="Text")
    field.fill("")
    page.keyboard.type("n ?e f")
    expect(field).to_have_value("n ?e f")
    playing(page, False)
    field.press("Escape")
    expect(page.get_by_text("Then the café burned down.")).to_be_visible()


def test_search_goes_through_the_matches(page):
    page.keyboard.press("/")
    page.keyboard.type("FIRST  book")
    expect(page.locator(".matches")).to_have_text("0 / 2")
    page.keyboard.press("Enter")
    expect(page.locator(".matches")).to_have_text("1 / 2")
    expect(page.locator(".hit.this")).to_have_text(["first", "book."])
    page.keyboard.press("Enter")
    expect(passage(page, 4).locator(".hit.this")).to_have_text(["first", "book."])
    page.keyboard.press("Shift+Enter")
    expect(passage(page, 1).locator(".hit.this")).to_have_text(["first", "book."])
    page.get_by_role("searchbox").fill("cafe")
    expect(page.locator(".hit")).to_have_text(["café"])


def test_search_begins_with_what_is_seen(page, result):
    result.transcribe(repeat=20)
    page.reload()
    page.get_by_text("began", exact=True).first.click()
    playing(page, True)
    page.keyboard.press("Space")
    text = page.locator(".passages")
    text.evaluate("list => (list.scrollTop = 1200)")
    search = page.get_by_role("searchbox")
    search.fill("good morning")
    search.press("Enter")
    expect(page.locator(".matches")).to_have_text(re.compile(r"^[5-9] / 20$"))
    number = int(page.locator(".matches").inner_text().split()[0])
    expect(page.locator(".hit.this").first).to_be_in_viewport()
    text.evaluate("list => (list.scrollTop = 1200)")
    search.fill("good  morning")
    search.press("Shift+Enter")
    expect(page.locator(".matches")).to_have_text(f"{number - 1} / 20")
    text.evaluate("list => (list.scrollTop = 0)")
    search.fill("good morning ")
    search.press("Enter")
    expect(page.locator(".matches")).to_have_text("1 / 20")


def test_shading_can_be_switched_off_and_stays_off(page):
    shade = page.get_by_role("button", name=re.compile("^Shade words"))
    expect(page.locator(".reader.shaded .w.doubt")).to_have_text(list(UNCLEAR))
    shade.click()
    expect(page.locator(".reader.shaded")).to_have_count(0)
    page.reload()
    expect(shade).to_have_attribute("aria-pressed", "false")
    shade.click()
    expect(page.locator(".reader.shaded")).to_have_count(1)


def test_a_text_is_edited_undone_redone_and_kept(page):
    text = passage(page, 1).locator(".text")
    expect(text).to_have_text("The <b>scribes</b> copied the first book.")
    edited = "The <img src=x onerror=window.ran=1> scribes copied it."
    change(page, 1, edited)
    expect(text).to_have_text(edited)
    assert page.locator(".reader :is(b, img)").count() == 0
    assert page.evaluate("window.ran === undefined"), "a text is never run as a script"
    page.keyboard.press("Control+z")
    expect(text).to_have_text("The <b>scribes</b> copied the first book.")
    page.keyboard.press("Control+y")
    expect(text).to_have_text(edited)
    page.reload()
    expect(text).to_have_text(edited)
    passage(page, 1).get_by_role("button", name="edited").click()
    passage(page, 1).get_by_role("button", name="Restore it").click()
    expect(text).to_have_text("The <b>scribes</b> copied the first book.")


def test_an_emptied_passage_is_shown_as_removed_and_comes_back(page):
    text = passage(page, 2).locator(".text")
    change(page, 2, "")
    expect(text).to_have_text("(removed)")
    page.reload()
    expect(text).to_have_text("(removed)")
    passage(page, 2).get_by_role("button", name="edited").click()
    passage(page, 2).get_by_role("button", name="Restore it").click()
    expect(text).to_have_text("Then the café burned down.")


def test_what_the_model_repeats_is_underlined_and_its_time_leads_there(page, result):
    result.transcribe("Good morning. Now the digits " + "seven " * 12 + "and the end. " + TEXT)
    page.reload()
    expect(page.locator(".w.again")).to_have_text(["seven"] * 12)
    expect(page.locator(".w.again").first).to_have_css("text-decoration-line", "underline")
    bar = page.locator(".repeated")
    expect(bar).to_have_count(1)
    expect(page.get_by_text("listen whether that was said")).to_have_count(1)
    expect(bar).to_contain_text("From 0:02 to 0:08 the model wrote “seven” 12 times in a row")
    bar.get_by_role("button", name="Play from 0:08").click()
    playing(page, True)
    assert seconds(page) >= 8
    change(page, 1, "Now the digits seven and the end.")
    expect(bar).to_be_hidden()
    expect(page.locator(".w.again")).to_have_count(0)


def test_a_failure_of_the_server_is_said_and_the_saved_text_is_shown(page):
    text = passage(page, 0).locator(".text")
    page.route("**/edits", lambda route: route.fulfill(status=500, body="Internal Server Error"))
    change(page, 0, "Good evening.")
    alert = page.get_by_role("alert").filter(has_text="Good evening.")
    expect(alert).to_contain_text("The server failed (status 500)")
    expect(alert).to_contain_text("You see the text as it is saved.")
    expect(text).to_have_text("Good morning.")
    reasons = {401: "You are signed out", 404: "This file was deleted"}
    answers = iter(reasons)
    page.unroute("**/edits")
    page.route("**/edits", lambda route: route.fulfill(status=next(answers)))
    for reason in reasons.values():
        alert.get_by_role("button", name="Try again").click()
        expect(alert).to_contain_text(reason)
    page.unroute("**/edits")
    alert.get_by_role("button", name="Try again").click()
    expect(text).to_have_text("Good evening.")


def test_what_is_typed_is_not_lost_without_a_question(page):
    asked = []

    def stay(dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    passage(page, 1).get_by_role("button", name="Edit the text").click()
    field = page.get_by_role("textbox", name="Text")
    field.press_sequentially("I typed this: ")
    typed = field.input_value()
    page.evaluate("location.reload()")
    until(lambda: page.title() and asked == ["beforeunload"])
    page.once("dialog", stay)
    page.get_by_role("link", name="Batch", exact=True).click()
    assert asked == ["beforeunload", "confirm"]
    assert "/result?" in page.url
    # Another passage opens when this one is done; what else is saved leaves it as it is.
    passage(page, 0).get_by_role("button", name="Edit the text").click()
    expect(page.get_by_role("status").filter(has_text="Save or cancel")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_value(typed)
    field.press("Enter")
    expect(passage(page, 1).locator(".text")).to_have_text(" ".join(typed.split()))
    page.reload()
    expect(page.locator(".passage")).to_have_count(5)
    assert len(asked) == 2, "what is saved can be left"


def test_what_is_typed_stays_while_other_changes_are_shown(page):
    change(page, 0, "Good evening.")
    expect(passage(page, 0).locator(".text")).to_have_text("Good evening.")
    passage(page, 1).get_by_role("button", name="Edit the text").click()
    field = page.get_by_role("textbox", name="Text")
    field.fill("I am typing this.")
    page.get_by_role("button", name="Undo (Ctrl Z)").click()
    expect(passage(page, 0).locator(".text")).to_have_text("Good morning.")
    expect(field).to_have_value("I am typing this.")
    field.press("Enter")
    expect(passage(page, 1).locator(".text")).to_have_text("I am typing this.")


def test_speakers_are_named_and_renamed(page):
    for number in (0, 1):
        passage(page, number).hover()
        passage(page, number).get_by_role("button", name="Change the speaker").last.click()
        page.get_by_role("combobox", name="Speaker").fill("Ana")
        page.get_by_role("button", name="Save").click()
        expect(passage(page, number).locator(".speaker")).to_have_text("Ana")
    expect(passage(page, 1).locator(".speaker")).to_be_hidden()  # she goes on
    passage(page, 0).locator(".speaker").click()
    page.get_by_role("combobox", name="Speaker").fill("Dr. Ana Ruiz")
    page.get_by_role("button", name="Rename everywhere").click()
    expect(page.locator(".speaker")).to_have_text(["Dr. Ana Ruiz"] * 2 + [""] * 3)


def test_two_people_do_not_overwrite_each_other(page, result):
    other = page.context.new_page()
    other.goto(result.address)
    expect(other.locator(".passage")).to_have_count(5)
    change(page, 0, "Good evening.")
    expect(passage(page, 0).locator(".text")).to_have_text("Good evening.")
    change(other, 0, "Good night.")
    expect(other.get_by_role("alert")).to_contain_text("Somebody else changed this transcript")
    expect(passage(other, 0).locator(".text")).to_have_text("Good evening.")
    other.get_by_role("button", name="Save mine too").click()
    expect(passage(other, 0).locator(".text")).to_have_text("Good night.")
    expect(other.get_by_role("alert")).to_be_hidden()
    other.close()


def test_a_new_transcription_shows_what_differs_from_an_edit(page, result):
    change(page, 3, "Everybody knew why.")
    expect(passage(page, 3).locator(".text")).to_have_text("Everybody knew why.")
    result.transcribe(TEXT.replace("Nobody knew why.", "Somebody knew why."))
    page.reload()
    note = passage(page, 3).locator(".note")
    expect(note).to_contain_text("It was “Nobody knew why.”; now the machine hears")
    note.get_by_role("button", name="Take the new text").click()
    expect(passage(page, 3).locator(".text")).to_have_text("Somebody knew why.")


def test_differences_are_counted_and_gone_through(page, result):
    for number in (1, 3):
        change(page, number, f"Edit {number}.")
        expect(passage(page, number).locator(".text")).to_have_text(f"Edit {number}.")
    bar = page.locator(".steps")
    expect(bar).to_be_hidden()
    heard = TEXT.replace("copied", "wrote").replace("Nobody", "Somebody")
    result.transcribe(heard + " And so on." * 60)
    page.reload()
    expect(bar).to_contain_text("2 edited passages are heard")
    expect(bar).to_contain_text("0 / 2")
    page.locator(".passages").evaluate("list => (list.scrollTop = list.scrollHeight)")
    following = page.get_by_role("button", name="Next difference")
    following.click()
    expect(bar).to_contain_text("1 / 2")
    expect(passage(page, 1).get_by_role("button", name="Keep the edit")).to_be_focused()
    expect(passage(page, 1)).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(bar).to_contain_text("1 edited passage is heard")
    following.click()
    expect(bar).to_contain_text("1 / 1")
    passage(page, 3).get_by_role("button", name="Take the new text").click()
    expect(passage(page, 3).locator(".text")).to_have_text("Somebody knew why.")
    expect(bar).to_be_hidden()


def test_the_address_says_where_it_starts(page, result):
    page.goto(f"{result.address}&t=8.6")
    expect(page.locator(".passage.now")).to_contain_text("The scribes began again")
    expect(page.locator(".clock")).to_have_text("0:08 / 0:30")
    page.goto(f"{result.address}&t=nonsense")
    expect(page.locator(".clock")).to_have_text("0:00 / 0:30")


def test_ten_hours_of_text_stay_smooth(page, result):
    result.transcribe(repeat=4500)  # 103,500 words
    page.reload()
    expect(page.locator(".passage").nth(10)).to_be_visible()
    assert page.locator(".w").count() < 5000, "only what is near the window is built"
    page.keyboard.press("/")
    page.keyboard.type("first book")
    page.keyboard.press("Shift+Enter")  # the last one
    expect(page.locator(".matches")).to_have_text("9000 / 9000")
    expect(page.locator(".hit.this").first).to_be_in_viewport()
    assert page.locator(".w").count() < 5000


INK = """(canvas, [from, to]) => {
    const { width, height } = canvas;
    const [left, wide] = [Math.floor(width * from), Math.floor(width * (to - from))];
    const { data } = canvas.getContext('2d').getImageData(left, 0, wide, height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length / (wide * height);
}"""
"""Share of a part of a canvas, from 0 to 1 of its width, that something is drawn on."""


def test_the_outline_of_hours_shows_pauses_and_the_minute_that_plays(page, result):
    peaks = bytearray(2 * 3600 * 20)
    peaks[: len(peaks) // 2] = b"\xb4" * (len(peaks) // 2)  # an hour of talk, an hour of pause
    peaks[:: 10 * 20] = b"\xff" * (len(peaks) // 200)  # with a loud moment every ten seconds
    peaks[: 30 * 20] = bytes(30 * 20)  # and half a minute of silence at the beginning
    page.route("**/peaks.bin*", lambda route: route.fulfill(body=bytes(peaks)))
    result.transcribe(duration=7200.0)
    page.reload()
    whole, near = page.locator(".wave").first, page.locator(".near .wave")
    expect(near).to_be_visible()
    until(lambda: near.evaluate(INK, [0.51, 0.99]) > 3 * near.evaluate(INK, [0.01, 0.49]), 30)
    assert whole.evaluate(INK, [0.01, 0.49]) > 3 * whole.evaluate(INK, [0.51, 0.99])
    expect(page.locator(".near")).to_contain_text(re.compile("^0:00.*1:00$", re.DOTALL))
    box = near.bounding_box()
    near.click(position={"x": box["width"] / 3, "y": box["height"] / 2})
    expect(page.locator(".clock")).to_have_text(re.compile("^0:(19|20) / 2:00:00"))
    page.unroute("**/peaks.bin*")


def test_what_the_browser_cannot_play_is_heard_from_a_copy(page, tmp_path):
    tone = media.tone(2, 44_100)
    foreign = media.write_sound(tmp_path / "a.aiff", tone, codec="pcm_s16be").read_bytes()
    page.route("**/original", lambda route: route.fulfill(body=foreign, content_type="audio/aiff"))
    page.reload()
    wait_until(
        page,
        """() => [...document.querySelectorAll('*')].some(
            e => e.shadowRoot?.querySelector('audio')?.src.endsWith('/sound.m4a'))""",
    )
    page.get_by_text("began", exact=True).click()
    playing(page, True)
    until(lambda: seconds(page) > 9.2, 30)
    expect(page.locator(".wave")).to_be_visible()
    page.unroute("**/original")


def test_what_browsers_play_at_other_times_goes_on_from_a_copy(page, result):
    page.route("**/sound.m4a", lambda route: route.fulfill(status=202))
    result.transcribe(misplaced=True)
    page.reload()
    said = page.locator(".head .gone")
    expect(said).to_contain_text("A copy is being made in which a click finds every word.")
    page.get_by_role("combobox", name="Speed").select_option("1.5×")
    page.get_by_text("began", exact=True).click()
    playing(page, True)  # the original, until the copy is there
    page.unroute("**/sound.m4a")
    expect(said).to_have_count(0, timeout=30_000)
    audio = page.locator("audio")
    assert audio.evaluate("audio => audio.src").endswith("/sound.m4a")
    until(lambda: seconds(page) > 9.2, 30)
    playing(page, True)
    assert audio.evaluate("audio => audio.playbackRate") == 1.5


@pytest.fixture(scope="module")
def mixing(tmp_path_factory) -> Iterator[str]:
    """A server that mixes the sound tracks of what comes."""
    data = tmp_path_factory.mktemp("mixing") / "data"
    with serving(data, SCRIPTORIUM_TRACK=str(ALL_TRACKS)) as server:
        yield server


def two_voices(path: Path, codec: str) -> float:
    """Write a video with two sound tracks; return when the second voice begins, in seconds."""
    one, other = (
        media.at_16k(media.DATA / f"{name}.wav") for name in ("conf-onlyone", "agent-newlocation")
    )
    late = np.concatenate([np.zeros(one.size + 16_000, np.float32), other])
    media.write_tracks(path, one, late, rate=16_000, codec=codec, video=True)
    return one.size / 16_000 + 1


def transcribed(page: Page, path: Path) -> None:
    """Upload a file, and open its result."""
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.get_by_text("2 sound tracks")).to_be_visible()
    page.get_by_role("button", name="Run 1 file").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name=path.name, exact=True).click()
    expect(page.locator(".w").first).to_be_visible()


def test_another_track_of_a_video_is_heard_with_its_pictures(mixing, tmp_path, open_page):
    """Of two microphones, the second is heard only by who asks for all tracks."""
    path, page = tmp_path / "talk.webm", open_page(mixing)
    begins = two_voices(path, "libopus")
    transcribed(page, path)
    heard, video = page.locator("audio"), page.locator("video")
    expect(heard).to_have_count(1, timeout=30_000)
    expect(page.locator(".head .gone")).to_have_count(0)
    assert video.evaluate("video => video.muted")
    words = page.locator(".w")
    assert "conference" in " ".join(words.all_inner_texts())
    page.get_by_role("combobox", name="Speed").select_option("0.75×")
    words.last.click()
    until(lambda: heard.evaluate("audio => !audio.paused"), 30)
    apart = """video => Math.abs(
        video.currentTime - video.parentNode.querySelector('audio').currentTime)"""
    until(lambda: video.evaluate(apart) < 0.2, 30)
    assert heard.evaluate("audio => audio.currentTime") > begins
    page.keyboard.press(" ")
    until(lambda: heard.evaluate("audio => audio.paused"), 30)
    for muted in (True, False):  # the button: it is the copy that falls silent
        video.evaluate("video => { video.muted = false; }")
        until(lambda muted=muted: heard.evaluate("audio => audio.muted") is muted, 30)
        until(lambda: video.evaluate("video => video.muted"), 30)


def test_another_track_of_a_video_that_browsers_do_not_play_is_heard(mixing, tmp_path, open_page):
    path, page = tmp_path / "talk.avi", open_page(mixing)
    two_voices(path, "libmp3lame")
    transcribed(page, path)
    video = page.locator("video")
    until(lambda: video.evaluate("video => video.src").endswith("/sound.m4a"), 30)
    expect(page.locator(".head .gone")).to_have_count(0)
    page.locator(".w").last.click()
    until(lambda: video.evaluate("video => !video.paused && !video.muted"), 30)


def test_a_copy_that_cannot_be_made_leaves_the_original(page, result):
    page.route("**/sound.m4a", lambda route: route.fulfill(status=500))
    result.transcribe(misplaced=True)
    page.reload()
    expect(page.locator(".head .gone")).to_contain_text("A click may miss its word.")
    page.get_by_text("began", exact=True).click()
    playing(page, True)
    page.unroute("**/sound.m4a")


def test_why_a_recording_is_not_heard_is_said(page):
    page.route("**/original", lambda route: route.fulfill(status=404))
    gone = "The recording is not kept any more."
    page.route("**/sound.m4a", lambda route: route.fulfill(status=404, body=gone))
    page.reload()
    expect(page.locator(".head")).to_contain_text(f"{gone} The text is complete.")
    expect(page.get_by_role("searchbox")).to_be_visible()
    # Somebody deletes the file while its page is open.
    page.unroute("**/sound.m4a")
    asked = []

    def deleted(route) -> None:
        asked.append(route)
        page.route("**/reader.json", lambda route: route.fulfill(status=404))
        route.fulfill(status=404, body=gone)

    page.route("**/sound.m4a", deleted)
    page.reload()
    expect(page.locator(".head")).to_contain_text("This file was deleted, or is not shared")
    expect(page.locator(".head")).not_to_contain_text("complete")
    page.unroute("**/reader.json")
    page.unroute("**/original")
    page.unroute("**/sound.m4a")


def test_following_stops_when_the_person_scrolls(page, result):
    result.transcribe(repeat=8)
    page.reload()
    page.get_by_text("began", exact=True).first.click()
    expect(page.locator(".passage").nth(30)).to_be_attached()
    playing(page, True)
    page.locator(".passages").hover()
    page.mouse.wheel(0, 2000)
    resume = page.get_by_role("button", name="Follow the voice")
    expect(resume).to_be_visible()
    expect(page.locator(".w.now")).not_to_be_in_viewport()
    resume.click()
    expect(page.locator(".passage.now")).to_be_in_viewport()
    expect(resume).to_be_hidden()


def test_exports_have_the_options_that_were_chosen(page):
    change(page, 0, "Good evening.")
    expect(passage(page, 0).locator(".text")).to_have_text("Good evening.")
    page.get_by_role("button", name="Export").click()
    for option in ("Times", "Paragraphs instead of single lines"):
        page.get_by_text(option, exact=True).click()
    link = page.get_by_role("link", name="Download Text")
    expect(link).to_have_attribute("href", re.compile("times=1.*paragraphs=0"))
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "talk.txt"
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["[0:00] Good evening.", "[0:01] The <b>scribes</b> copied the first book."]


def test_a_batch_is_exported_in_chosen_formats(page):
    page.get_by_role("link", name="Batch", exact=True).click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible()  # the result page has an Export too
    page.get_by_role("button", name="Export").click()
    for other in ("Markdown", "Word", "SRT", "WebVTT", "JSON"):
        page.get_by_role("button", name=other, exact=True).click()
    link = page.get_by_role("link", name="Download ZIP")
    expect(link).to_have_attribute("href", re.compile(r"\?format=txt&format=csv&times"))
    with page.expect_download() as download:
        link.click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")


def test_the_reader_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        expect(page.locator(".finder")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator(".reader").evaluate("r => r.scrollWidth - r.clientWidth") == 0
    finally:
        page.set_viewport_size({"width": 1440, "height": 900})
