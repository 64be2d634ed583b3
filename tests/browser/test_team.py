"""A team's instance in browsers: signing in, sharing, a provider that is real."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests import media
from tests.browser.conftest import ROOT, serving

PROVIDER = Path(__file__).parent / "oidc"
WORD = "correct horse battery"


def command(data: Path, *arguments: str, typed: str = "") -> str:
    """Run the command line on a data directory; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=ROOT,
        env={**os.environ, "SCRIPTORIUM_DATA": str(data)},
        input=typed,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving_team(data: Path) -> Iterator[str]:
    """Serve a data directory on which ana is the admin and bo a person."""
    command(data, "users", "add", "ana", "--admin", "--password-stdin", typed=WORD + "\n")
    command(data, "users", "add", "bo", "--password-stdin", typed=WORD + "\n")
    with serving(data, SCRIPTORIUM_MODE="accounts") as address:
        yield address


@pytest.fixture(scope="module")
def team(data):
    with serving_team(data) as address:
        yield address


@pytest.fixture
def new_team(tmp_path):
    """A server that a test has for itself, and finds as new when it is run again."""
    with serving_team(tmp_path / "data") as address:
        yield address


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("team") / "data"


def sign_in(page: Page, name: str, password: str = WORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def click_if_there(button: Locator) -> None:
    """Click what may go by itself at any moment: a page that is open notices that it may not be."""
    with contextlib.suppress(PlaywrightTimeout):
        button.click(timeout=2_000)


def submit(page: Page, file: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(str(file))
    page.get_by_role("button", name="Run 1 file").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)


def test_people_see_their_own_and_what_is_shared(new_team, open_page, tmp_path):
    media.write_pdf(tmp_path / "plan of bo.pdf", ["What bo plans."])
    bo = open_page(f"{new_team}/batches")
    expect(bo.get_by_text("Sign in to see your batches.")).to_be_visible()
    sign_in(bo, "bo", "not the password")
    expect(bo.get_by_role("alert")).to_contain_text("name or the password is wrong")
    expect(bo.get_by_label("Password")).to_be_focused()
    sign_in(bo, "bo")
    expect(bo.get_by_text("Nothing here yet")).to_be_visible()
    expect(bo.get_by_role("link", name="System")).to_have_count(0)
    batches, files = (bo.context.new_page() for _ in range(2))
    for page, path in ((batches, "batches"), (files, "files")):
        page.goto(f"{new_team}/{path}")
        expect(page.get_by_text("Nothing here yet")).to_be_visible()
    bo.goto(new_team)
    submit(bo, tmp_path / "plan of bo.pdf")
    batch = bo.url
    # What was open meanwhile shows it by itself.
    expect(batches.get_by_role("button", name="plan of bo.pdf")).to_be_visible()
    expect(files.get_by_text("Done 1", exact=True)).to_be_visible()
    expect(files.get_by_role("button", name="Run again")).to_be_enabled()

    # An admin is not shown it either, unless she says why.
    ana = open_page(batch)
    sign_in(ana, "ana")
    expect(ana.get_by_text("There is no such batch")).to_be_visible()
    ana.goto(f"{new_team}/team")
    expect(ana.get_by_text("bo: 1 file")).to_be_visible()
    expect(ana.get_by_text("plan of bo")).to_have_count(0)
    ana.get_by_role("button", name="Open: bo: 1 file").click()
    ana.get_by_label("Why").fill("bo asked for help")
    ana.get_by_label("Why").press("Enter")
    expect(ana.get_by_role("heading", name="plan of bo.pdf")).to_be_visible()
    expect(ana.get_by_role("button", name="More")).to_have_count(0)
    ana.goto(f"{new_team}/team")
    expect(ana.get_by_text("of bo: bo asked for help")).to_be_visible()

    # A link shows it to a guest, until it is ended.
    bo.get_by_role("button", name="Share").click()
    bo.get_by_text("Whoever has a link").click()
    bo.get_by_role("dialog").get_by_role("button", name="Share").click()
    link = bo.get_by_role("dialog").locator("code").inner_text().strip()
    guest = open_page(link, width=390)
    expect(guest.get_by_role("heading", name="plan of bo.pdf")).to_be_visible()
    expect(guest.get_by_text("shared by bo").first).to_be_visible()
    bo.get_by_role("dialog").get_by_role("button", name="End: A link").click()
    guest.goto(batch)
    expect(guest.get_by_text("There is no such batch")).to_be_visible()
    guest.goto(f"{new_team}/result?job=1")
    expect(guest.get_by_text("There is no such result")).to_be_visible()
    ended = ("data-test-script-state", "notRunning")
    expect(guest.get_by_test_id("stApp")).to_have_attribute(*ended)
    expect(guest.get_by_test_id("stException")).to_have_count(0)


def test_a_page_that_nobody_touches_is_signed_out(tmp_path, open_page):
    data = tmp_path / "data"
    command(data, "users", "add", "ana", "--password-stdin", typed=WORD + "\n")
    seconds = {"SCRIPTORIUM_SESSION_HOURS": str(10 / 3600)}
    with serving(data, SCRIPTORIUM_MODE="accounts", **seconds) as address:
        page = open_page(f"{address}/batches?from=a+mail")
        sign_in(page, "ana")
        expect(page.get_by_text("Nothing here yet")).to_be_visible()
        expect(page.get_by_text("You are signed out").first).to_be_visible(timeout=60_000)
        page.get_by_role("link", name="Sign in").click()
        sign_in(page, "ana")
        page.wait_for_url("**/batches?from=a+mail")
        expect(page.get_by_text("Nothing here yet")).to_be_visible()


def test_a_token_is_shown_once_and_signing_out_ends_the_session(team, open_page):
    page = open_page(f"{team}/account")
    sign_in(page, "bo")
    page.get_by_role("button", name="New token").click()
    page.get_by_label("What it is for").fill("nightly upload")
    page.get_by_label("What it is for").press("Enter")
    page.get_by_role("button", name="Make it").click()
    token = page.get_by_role("dialog").locator("code").inner_text().strip()
    assert token.startswith("scr_")
    page.keyboard.press("Escape")
    page.reload()
    expect(page.get_by_text("nightly upload")).to_be_visible()
    expect(page.get_by_text(token)).to_have_count(0)
    page.get_by_role("button", name="Revoke: nightly upload").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("nightly upload")).to_have_count(0)
    page.get_by_role("link", name="Sign out", exact=True).click()
    expect(page.get_by_text("Sign in to see your batches.")).to_be_visible()
    page.goto(f"{team}/account")
    expect(page.get_by_text("Sign in to see your batches.")).to_be_visible()


def test_a_person_is_added_by_the_keyboard_alone(team, data, open_page):
    page, cy = open_page(f"{team}/team"), f"cy-{time.time_ns()}"  # another one at a second try
    sign_in(page, "ana")
    page.get_by_role("button", name="Add a person").click()
    page.get_by_role("dialog").get_by_label("Name").focus()
    for typed, key in ((cy, "Tab"), (WORD, "Tab"), ("", "Tab"), ("", "Tab")):
        page.keyboard.type(typed)
        page.keyboard.press(key)  # the last ones go by the eye and the roles
    expect(page.get_by_role("dialog").get_by_role("button", name="Add", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_title(cy)).to_be_visible()


def test_an_open_dialog_ends_with_what_its_person_may_do(team, data, open_page):
    eve = f"eve-{time.time_ns()}"  # another one at a second try
    command(data, "users", "add", eve, "--admin", "--password-stdin", typed=WORD + "\n")
    page = open_page(f"{team}/team")
    sign_in(page, eve)
    page.get_by_role("button", name="Add a person").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("mallory")
    dialog.get_by_role("textbox", name="Password").fill(WORD)
    command(data, "users", "role", eve, "person")
    click_if_there(dialog.get_by_role("button", name="Add", exact=True))
    expect(page.get_by_text("You are signed out").first).to_be_visible()
    assert "mallory" not in command(data, "users", "list")

    page.goto(f"{team}/account")
    sign_in(page, eve)
    page.get_by_role("button", name="New token").click()
    expect(dialog.get_by_role("button", name="Make it")).to_be_enabled()
    command(data, "users", "password", eve, "--password-stdin", typed=WORD + "2\n")
    click_if_there(dialog.get_by_role("button", name="Make it"))
    expect(page.get_by_text("You are signed out").first).to_be_visible()
    expect(dialog.locator("code")).to_have_count(0)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """A real OpenID provider on a free port; gives its address and that of the instance."""
    npm, node = shutil.which("npm"), shutil.which("node")
    folder = tmp_path_factory.mktemp("provider")
    reason = "npm is not installed (Debian packages: nodejs, npm)"
    if npm and node:
        for name in ("package.json", "provider.mjs"):
            shutil.copy(PROVIDER / name, folder)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        reason = "" if done.returncode == 0 else f"npm install failed: {done.stderr[-500:]}"
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    port, ours = free_port(), free_port()
    instance = f"http://127.0.0.1:{ours}"
    assert node
    process = subprocess.Popen(
        [node, "provider.mjs", str(port), f"{instance}/auth/oidc/callback"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    issuer = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=1):
                break
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
    yield issuer, instance
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def organisation(provider, tmp_path_factory):
    """A server whose people sign in with the provider."""
    issuer, instance = provider
    with serving(
        tmp_path_factory.mktemp("organisation") / "data",
        port=int(instance.rpartition(":")[2]),
        SCRIPTORIUM_MODE="oidc",
        SCRIPTORIUM_PUBLIC_URL=instance,
        SCRIPTORIUM_OIDC_ISSUER=issuer,
        SCRIPTORIUM_OIDC_CLIENT_ID="scriptorium",
        SCRIPTORIUM_OIDC_CLIENT_SECRET="a secret of the tests only",
        SCRIPTORIUM_OIDC_GROUPS='["staff"]',
        SCRIPTORIUM_OIDC_ADMIN_GROUPS='["scribes-admins"]',
    ) as address:
        yield address


def by_provider(page: Page, name: str) -> None:
    """Sign in there as somebody, and agree to what it tells."""
    page.get_by_role("link", name="Sign in with your organisation").click()
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def test_a_provider_s_groups_become_roles(organisation, open_page):
    ana = open_page(f"{organisation}/team")
    by_provider(ana, "ana")
    expect(ana.get_by_text("signs in with a provider")).to_be_visible(timeout=30_000)
    expect(ana).to_have_url(f"{organisation}/team")
    assert ana.get_by_role("link", name="ana.at.work").count() == 1

    bo = open_page(organisation)
    by_provider(bo, "bo")
    expect(bo.get_by_role("link", name="bo.at.work")).to_be_visible(timeout=30_000)
    expect(bo.get_by_role("link", name="Team")).to_have_count(0)

    eve = open_page(organisation)
    by_provider(eve, "eve")
    expect(eve.get_by_role("alert")).to_contain_text("may not use this instance")

    # Whom an admin shuts out stays out, whatever the provider says.
    ana.reload()
    ana.get_by_role("button", name="Close account: bo.at.work").click()
    expect(ana.get_by_text("closed")).to_be_visible()
    bo.reload()
    # The provider remembers him and sends him back at once.
    bo.get_by_role("link", name="Sign in with your organisation").click()
    expect(bo.get_by_role("alert")).to_contain_text("closed")


def test_who_comes_back_without_having_been_sent_is_not_let_in(organisation, open_page):
    page = open_page(f"{organisation}/auth/oidc/callback?code=guessed&state=guessed")
    expect(page.get_by_role("alert")).to_contain_text("not completed")
    page.goto(organisation)
    expect(page.get_by_role("link", name="Sign in with your organisation")).to_be_visible()
