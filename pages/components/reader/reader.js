// The reader: the recording's sound and its text, which follow each other.
const KEYS = [
  ["Space", "Play or pause"],
  ["← →", "Back or forward 5 seconds"],
  ["N / Shift N", "Next or previous unclear (shaded) word"],
  ["/", "Search; Enter and Shift Enter go through the matches"],
  ["E", "Edit the passage that plays: Enter saves, Esc leaves"],
  ["Ctrl Z / Ctrl Y", "Undo or redo a change"],
  ["F", "Follow the voice again"],
];

function reader(data) {
  const root = make("div", data.editable ? "reader" : "reader fixed");
  const media = document.createElement(data.video ? "video" : "audio");
  media.preload = "metadata";
  media.controls = Boolean(data.video);
  media.src = data.source;
  let current = null, lit = null, following = true, target = null, copying = false;

  const playFrom = (seconds) => { go(seconds); media.play().catch(() => {}); };
  const list = passageList({
    play: playFrom,
    edit: (passage) => data.editable && edits.edit(passage),
    rename: (passage) => data.editable && edits.rename(passage),
    editNote: (passage) => edits.note(passage),
    filled: () => { lit = null; show(); search.mark(); },
  });
  const search = searchIn(list, showTools);
  const edits = editing(data.addresses, list, {
    changed: () => { current = null; show(); search.again(); showTools(); showPlaces(); },
    say: (text) => say(text),
  });
  const repetitions = repeated(playFrom), changes = differences(list);
  const showPlaces = () => { repetitions.show(list.repetitions); changes.show(); };
  const wave = waveform(data.addresses.peaks, data.duration, go);

  // --- following each other ---------------------------------------------------------------

  function go(seconds) {
    media.currentTime = Math.min(Math.max(seconds, 0), data.duration);
    show();
    follow(true);
  }

  function follow(wanted) {
    following = wanted;
    resume.hidden = wanted || media.paused;
    if (wanted && current) list.reveal(current, true);
  }

  function show() {
    const at = media.currentTime + 0.03;
    wave.show(media.currentTime);
    time.textContent = `${clock(media.currentTime)} / ${clock(data.duration)}`;
    const passage = list.passages[lastIndex(list.passages, (p) => p.start <= at)] ?? null;
    if (passage !== current) {
      list.parts(current)?.box.classList.remove("now");
      current = passage;
      // Only the voice moves the text: not a change to it, nor while a person writes.
      if (passage && following && !media.paused && !root.querySelector(".editor"))
        list.reveal(passage, true);
    }
    const parts = passage && list.parts(passage);
    parts?.box.classList.add("now");
    const word = parts?.words[lastIndex(passage.words, (w) => w[0] <= at)] ?? null;
    if (word === lit) return;
    lit?.classList.remove("now");
    word?.classList.add("now");
    lit = word;
  }

  function tick() {
    if (!root.isConnected) return media.pause(); // a player that is gone must not be heard
    show();
    if (!media.paused) requestAnimationFrame(tick);
  }

  function nextUnclear(step) {
    const from = target ?? media.currentTime;
    const after = (word) => (step > 0 ? word[0] > from : word[0] < from);
    const order = step > 0 ? list.passages : list.passages.slice().reverse();
    for (const passage of order) {
      if (step > 0 ? passage.end < from : passage.start > from) continue;
      const words = passage.words.map((word, i) => [word, i]);
      const found = (step > 0 ? words : words.reverse())
        .find(([word]) => unclear(word) && after(word));
      if (!found) continue;
      root.querySelector(".w.target")?.classList.remove("target");
      go(found[0][0]);
      target = found[0][0];
      list.reveal(passage, true);
      list.parts(passage).words[found[1]].classList.add("target");
      return;
    }
    say(step > 0 ? "No unclear word after this place." : "No unclear word before this place.");
  }

  // --- what is to be seen -----------------------------------------------------------------

  const time = make("span", "clock");
  const toggle = () => (media.paused ? media.play().catch(() => {}) : media.pause());
  const play = button("play_arrow", "Play (Space)", toggle);
  play.classList.add("main");
  const speed = make("select", "speed");
  speed.setAttribute("aria-label", "Speed");
  speed.title = "Speed";
  [0.75, 1, 1.25, 1.5, 2].forEach((rate) => speed.append(
    Object.assign(make("option", "", `${rate}×`), { value: rate, selected: rate === 1 })));
  // A copy that takes the original's place begins with the default.
  speed.onchange = () => (media.playbackRate = media.defaultPlaybackRate = Number(speed.value));

  const field = make("input", "find");
  field.type = "search";
  field.placeholder = "Search in the text";
  field.setAttribute("aria-label", "Search in the text");
  field.oninput = () => search.find(field.value);
  field.onkeydown = (event) => {
    if (event.key === "Enter") { event.preventDefault(); goTo(event.shiftKey ? -1 : 1); }
    if (event.key === "Escape") { field.value = ""; search.find(""); field.blur(); }
  };
  const goTo = (step) => { follow(false); search.go(step); };
  const matches = make("span", "matches");
  matches.setAttribute("aria-live", "polite");
  const nextMatch = button("keyboard_arrow_down", "Next match (Enter)", () => goTo(1));
  const lastMatch = button("keyboard_arrow_up", "Previous match (Shift Enter)", () => goTo(-1));

  const undo = button("undo", "Undo (Ctrl Z)", () => edits.undo());
  const redo = button("redo", "Redo (Ctrl Y)", () => edits.redo());
  const shade = button("contrast", "Shade words that the machine is not sure of", () => shading(!root.classList.contains("shaded")));
  function shading(on) {
    root.classList.toggle("shaded", on);
    shade.setAttribute("aria-pressed", String(on));
    setting.set("shading", on ? "on" : "off");
  }

  const help = make("div", "help");
  help.popover = "auto";
  help.append(make("h3", "", "Keys"));
  const keys = make("dl");
  KEYS.forEach(([key, what]) => keys.append(make("dt", "", key), make("dd", "", what)));
  help.append(keys, make("p", "", "Click a word to hear it. Shaded words are those that the machine is not sure of: the less sure, the stronger; N goes from one to the next. Text that you edit is saved at once, beside what the machine heard."));
  const helper = button("keyboard", "Keys and help (?)", () => help.togglePopover());

  const resume = make("button", "resume", "Follow the voice");
  resume.type = "button";
  resume.hidden = true;
  resume.onclick = () => follow(true);
  const said = make("div", "said");
  said.setAttribute("role", "status");
  let saidUntil = 0;
  function say(text) {
    said.textContent = text;
    clearTimeout(saidUntil);
    saidUntil = setTimeout(() => (said.textContent = ""), 4000);
  }

  function showTools() {
    undo.disabled = !edits.canUndo;
    redo.disabled = !edits.canRedo;
    matches.textContent = field.value.trim() ? `${search.number} / ${search.count}` : "";
    nextMatch.disabled = lastMatch.disabled = !search.count;
  }

  const sound = make("div", "group");
  const unclearNext = button("report", "Next unclear word (N)", () => nextUnclear(1));
  sound.append(play, button("replay_5", "Back 5 seconds (←)", () => go(media.currentTime - 5)), time, speed);
  const tools = make("div", "group");
  tools.append(unclearNext, shade, ...(data.editable ? [undo, redo] : []), helper);
  const finder = make("div", "group finder");
  finder.append(field, matches, lastMatch, nextMatch);
  const controls = make("div", "controls");
  controls.append(sound, finder, tools);
  const head = make("div", "head");
  if (data.video) head.append(media);
  head.append(wave.element, controls);
  const frame = make("div", "frame");
  frame.append(list.element, resume);
  root.append(head, said, edits.bar, repetitions.element, changes.element, frame, help);
  if (!data.video) root.append(media);

  // --- what happens -----------------------------------------------------------------------

  media.onplay = () => {
    play.querySelector(".icon").textContent = "pause";
    target = null;
    tick();
  };
  media.onpause = () => {
    play.querySelector(".icon").textContent = "play_arrow";
    resume.hidden = true;
  };
  media.onseeked = show;
  // What a browser cannot play, or plays otherwise than it was read, the server makes a copy of.
  async function playCopy(why, meanwhile) {
    if (copying) return;
    copying = true;
    const notice = make("div", "gone", why);
    notice.setAttribute("role", "status");
    if (!meanwhile) sound.hidden = media.hidden = true;
    head.append(notice);
    media.onerror = () => { sound.hidden = media.hidden = true; };
    const other = data.otherTrack ? "What is heard is the first sound track." : "A click may miss its word.";
    try {
      await copied(data.addresses.sound, () => root.isConnected);
      if (data.otherTrack && data.video && !data.misplaced && !media.error) {
        const failed = () => { notice.textContent = other; head.append(notice); };
        const heard = hearBeside(media, data.addresses.sound, failed);
        media.onerror = () => { heard.onerror(); takeOver(); notice.remove(); };
        head.append(heard);
        return notice.remove();
      }
      takeOver();
      if (meanwhile && data.video && data.misplaced) notice.textContent = "The sound is played without the pictures, which browsers show at other times.";
      else notice.remove();
    } catch (error) {
      const text = await fetch(data.addresses.text, { cache: "no-store" }).catch(() => null);
      if (text?.status === 404) tell("This file was deleted, or is not shared with you any more.");
      else if (meanwhile && !media.error) notice.textContent = `${error.message} ${other}`;
      else tell(`${error.message} The text is complete.`);
    }
    function takeOver() {
      const at = media.currentTime, goesOn = !media.paused;
      media.onerror = () => tell("The recording cannot be played in this browser. The text is complete.");
      media.src = data.addresses.sound;
      media.currentTime = at;
      if (goesOn) media.play().catch(() => {});
      media.hidden = true;
      sound.hidden = false;
    }
    function tell(reason) {
      head.classList.add("silent");
      head.replaceChildren(make("div", "gone", reason), finder, tools);
    }
  }
  media.onerror = () => playCopy("This browser cannot play the file: a copy that it plays is being made.", false);
  if (data.otherTrack) // once the reader is on the page
    queueMicrotask(() => playCopy("A copy is being made of the sound that was read. Until then the first sound track is heard.", true));
  else if (data.misplaced)
    queueMicrotask(() => playCopy("A copy is being made in which a click finds every word. Until then it may miss.", true));
  // A person who scrolls reads on her own, until she wants to follow again.
  const away = () => media.paused || follow(false);
  ["wheel", "touchmove"].forEach((kind) => list.element.addEventListener(kind, away, { passive: true }));
  list.element.addEventListener("pointerdown", (event) => event.target === list.element && away());

  function onKey(event) {
    if (!root.isConnected) return document.removeEventListener("keydown", onKey);
    const at = event.composedPath()[0];
    const typing = at.matches?.("input, textarea, select, [contenteditable=true]") || at.isContentEditable;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (typing || event.altKey || event.defaultPrevented) return;
    const withControl = event.ctrlKey || event.metaKey;
    const acts = withControl
      ? { z: () => (event.shiftKey ? edits.redo() : edits.undo()), y: () => edits.redo() }
      : {
        // Space and arrows belong to a button or a list of choices that has the focus.
        " ": at.matches?.("button, a, summary, video, [role=button], [role=radio], [role=tab]") ? null : toggle,
        ArrowLeft: at.matches?.("[role=radio], [role=tab], video") ? null : () => go(media.currentTime - 5),
        ArrowRight: at.matches?.("[role=radio], [role=tab], video") ? null : () => go(media.currentTime + 5),
        n: () => nextUnclear(event.shiftKey ? -1 : 1),
        "/": () => field.focus(),
        e: () => data.editable && current && edits.edit(current),
        f: () => follow(true),
        "?": () => help.togglePopover(),
      };
    if (!acts[key]) {
      if (["PageUp", "PageDown", "Home", "End", "ArrowUp", "ArrowDown"].includes(key)) away();
      return;
    }
    event.preventDefault();
    acts[key]();
  }
  document.addEventListener("keydown", onKey);

  // What is typed is not lost without a question. The browser asks when the page goes; a link of
  // the page itself only changes what it shows.
  function leaving(event) {
    if (!root.isConnected) {
      window.removeEventListener("beforeunload", leaving);
      return document.removeEventListener("click", leaving, true);
    }
    if (!edits.unsaved()) return;
    if (event.type === "beforeunload") return event.preventDefault();
    const link = event.composedPath().find((one) => one.matches?.("a[href]:not([download], [target=_blank])"));
    if (!link || confirm("The text that you are writing is not saved. Leave it?")) return;
    event.preventDefault();
    event.stopPropagation();
  }
  window.addEventListener("beforeunload", leaving);
  document.addEventListener("click", leaving, true);

  shading(setting.get("shading") !== "off");
  showTools();
  show();
  edits.load().then(() => {
    showPlaces();
    if (data.start) (soughtHere() ? playFrom : go)(data.start); // as soon as the sound is known
    show();
    if (data.start && current) list.reveal(current);
    if (!list.passages.length) list.element.append(make("div", "gone", "No speech was found: the recording holds no words."));
  }).catch(() => {
    list.element.replaceChildren(make("div", "gone", "The text cannot be loaded. Reload the page."));
  });
  root.unsaved = edits.unsaved;
  return { root, media };
}

export default function ({ data, parentElement }) {
  const text = JSON.stringify(data);
  const there = parentElement.querySelector(".reader");
  if (there?.made === text) return; // the page ran again: that must not stop the sound
  if (there?.unsaved()) return; // nor take away what a person types: saving it shows what is new
  there?.remove();
  const { root, media } = reader(data);
  root.made = text;
  parentElement.append(root);
  return () => media.pause();
}
