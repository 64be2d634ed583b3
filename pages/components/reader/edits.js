// Changes to text and speakers: saved on the server at once, taken back by undo, and never over
// what somebody else changed meanwhile.
function editing(addresses, list, hooks) {
  const bar = make("div", "problem");
  bar.setAttribute("role", "alert");
  bar.hidden = true;
  let version = "", busy = Promise.resolve();
  const done = [], undone = [];

  // What a person has changed of a passage, as the server takes it.
  const state = ({ start, end, edit }) => ({
    start, end, text: edit?.text ?? null, speaker: edit?.speaker ?? null,
  });

  async function load() {
    const answer = await fetch(addresses.text);
    if (!answer.ok) throw new Error(answer.statusText);
    const view = await answer.json();
    version = view.version;
    renew(() => list.show(view));
    return view;
  }

  async function again() {
    const before = version;
    await load();
    if (version !== before) done.length = undone.length = 0; // taking back would take back theirs
    hooks.changed();
  }

  function ask(text, ...choices) {
    bar.replaceChildren(make("span", "", text));
    choices.forEach(([label, act]) => {
      const choice = make("button", "choice", label);
      choice.type = "button";
      choice.onclick = () => { bar.hidden = true; act(); };
      bar.append(choice);
    });
    bar.hidden = false;
  }

  // Send a change; what it undoes is returned, or null when it was not saved.
  async function send(change) {
    const spans = new Map(list.passages.map((p) => [`${p.start} ${p.end}`, p]));
    const before = {
      passages: change.passages.map(({ start, end }) =>
        state(spans.get(`${start} ${end}`) ?? { start, end })),
      names: Object.fromEntries(Object.keys(change.names).map((k) => [k, list.names[k] ?? null])),
    };
    const mine = change.passages.map((p) => p.text).filter(Boolean).join(" ");
    const said = mine ? ` Your text is: “${mine}”` : "";
    let answer = null;
    try {
      answer = await fetch(addresses.edits, {
        method: "PATCH",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ version, ...change }),
      });
      if (answer.ok) {
        const saved = await answer.json();
        version = saved.version;
        renew(() => list.splice(saved));
        hooks.changed();
        return before;
      }
      if (answer.status === 409) {
        await again();
        ask(`Somebody else changed this transcript meanwhile; you see it now. Your change is not saved.${said}`,
          ["Save mine too", () => apply(change)], ["Drop mine", () => {}]);
        return null;
      }
    } catch { answer = null; }
    const failed = answer?.status >= 500; // then nobody here knows what the server has
    const shown = failed && await again().then(() => true, () => false);
    ask(`${answer ? await reasonOf(answer) : "The server does not answer: the change is not saved."}${failed
      ? shown ? " You see the text as it is saved." : " The text cannot be loaded either: reload the page." : ""}${said}`,
      ["Try again", () => apply(change)], ["Drop it", () => {}]);
    return null;
  }

  // What an answer that is no success says, as a sentence.
  async function reasonOf(answer) {
    if (answer.status === 401) return "You are signed out: the change is not saved. Sign in in another tab, then try again here.";
    if (answer.status === 404) return "This file was deleted, or is not shared with you any more: the change is not saved.";
    const text = (await answer.text()).trim();
    try {
      const { message, detail } = JSON.parse(text);
      if (message || detail) return message || detail;
    } catch { /* no JSON */ }
    if (answer.status < 500 && text && text.length < 300 && !text.startsWith("<"))
      return `The change is not saved: ${text}`;
    return `The server failed (status ${answer.status}): the change is not saved, or only in part.`;
  }

  // One after the other: each needs the version that the one before it made.
  const inTurn = (work) => (busy = busy.then(work, work));

  const apply = (change) => inTurn(async () => {
    const before = await send(change);
    if (!before) return;
    done.push({ before, after: change });
    undone.length = 0;
    hooks.changed();
  });

  const back = (from, to, side) => inTurn(async () => {
    const step = from.at(-1);
    if (!step || !(await send(step[side]))) return;
    to.push(from.splice(from.indexOf(step), 1)[0]);
    hooks.changed();
  });

  const change = (passage, more) => apply({ passages: [{ ...state(passage), ...more }], names: {} });

  // What a person has typed and not saved: its form, or null.
  function unsaved() {
    const box = list.element.querySelector(".editor");
    return box && box.field.value !== box.begun ? box : null;
  }

  // Show another state of the text, and leave open what a person is typing.
  function renew(change) {
    const box = list.element.querySelector(".editor");
    const typed = box?.field.value;
    change();
    if (!box || box.isConnected) return;
    const { start, end } = box.passage;
    const now = list.passages.find((p) => p.start === start && p.end === end);
    if (now) {
      list.reveal(now, true);
      const field = box.again(now);
      field.value = typed;
      field.oninput?.();
    } else if (typed !== box.begun) ask(`The passage that you were writing in is another one now. Your text is: “${typed}”`, ["Drop it", () => {}]);
  }

  // A form in the place of what it changes; Enter saves, Escape leaves. One is open at a time.
  function form(passage, field, place, buttons, save, again) {
    const shown = list.parts(passage);
    const old = shown.body.querySelector(place);
    const box = Object.assign(make("div", "editor"), { passage, field, again, begun: field.value });
    const close = () => { box.replaceWith(old); shown.box.querySelector(".pens .tool:last-child").focus(); };
    const row = make("div", "choices");
    buttons.forEach(([label, act]) => {
      const choice = make("button", "choice", label);
      choice.type = "button";
      choice.onclick = () => { close(); act?.(field.value); };
      row.append(choice);
    });
    field.onkeydown = (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") { event.preventDefault(); close(); save(field.value); }
      if (event.key === "Escape") { event.preventDefault(); close(); }
    };
    field.dir = "auto";
    box.append(field, row);
    old.replaceWith(box);
    box.close = close;
    field.focus();
    return box;
  }

  // Whether another form may open: not while one holds what is not saved.
  function free() {
    if (unsaved()) {
      unsaved().field.focus();
      hooks.say("Save or cancel the text that you are writing first.");
      return false;
    }
    list.element.querySelector(".editor")?.close();
    return true;
  }

  function edit(passage) {
    if (!free()) return;
    if (!list.parts(passage)) list.reveal(passage);
    const field = make("textarea", "field");
    field.value = list.text(passage);
    field.setAttribute("aria-label", "Text");
    const save = (text) => text.trim() !== list.text(passage).trim() && change(passage, { text });
    const speaker = async (text) => {
      await save(text); // what was typed is not lost
      const now = list.passages.find((p) => p.start === passage.start && p.end === passage.end);
      if (now && list.parts(now)) rename(now);
    };
    form(passage, field, ".text", [["Save", save], ["Cancel", null], ["Speaker …", speaker]], save, edit);
    const grow = () => { field.style.height = "0"; field.style.height = `${field.scrollHeight + 2}px`; };
    field.oninput = grow;
    grow();
    return field;
  }

  function rename(passage) {
    if (!free()) return;
    const labels = new Map(list.passages.filter((p) => p.speaker).map((p) => [list.nameOf(p), p.speaker]));
    const field = make("input", "field");
    field.value = list.nameOf(passage);
    field.placeholder = "Name of the speaker";
    field.setAttribute("aria-label", "Speaker");
    const known = make("datalist");
    known.id = "speakers";
    labels.forEach((_, name) => known.append(Object.assign(make("option"), { value: name })));
    field.setAttribute("list", known.id);
    const here = (name) => change(passage, { speaker: labels.get(name.trim()) ?? (name.trim() || null) });
    const everywhere = (name) =>
      apply({ passages: [], names: { [passage.speaker]: name.trim() || null } });
    const buttons = passage.speaker
      ? [["Rename everywhere", everywhere], ["Only here", here], ["Cancel", null]]
      : [["Save", here], ["Cancel", null]];
    const box = form(passage, field, ".speaker", buttons, passage.speaker ? everywhere : here, rename);
    box.append(known);
    field.select();
    return field;
  }

  // What stands below a passage that a person changed.
  function note(passage) {
    const box = make("div", "note");
    if (passage.edit.text === null) return box;
    const heard = passage.heard ? `“${passage.heard}”` : "nothing there";
    const choice = (label, text) => {
      const made = make("button", "choice", label);
      made.type = "button";
      made.onclick = () => change(passage, { text });
      return made;
    };
    if (passage.was !== undefined) {
      box.classList.add("differs");
      const said = make("span", "", `Transcribed again since this was edited. It was “${passage.was}”; now the machine hears: ${heard}`);
      said.dir = "auto";
      box.append(said, choice("Keep the edit", passage.edit.text), choice("Take the new text", null));
      return box;
    }
    const flag = make("button", "flag", "edited");
    flag.type = "button";
    flag.title = "Show what the machine heard";
    flag.onclick = () => {
      const said = make("span", "", `The machine heard: ${heard}`);
      said.dir = "auto";
      box.replaceChildren(said, choice("Restore it", null));
    };
    box.append(flag);
    return box;
  }

  return {
    bar, load, edit, rename, note, unsaved,
    undo: () => back(done, undone, "before"),
    redo: () => back(undone, done, "after"),
    get canUndo() { return done.length > 0; },
    get canRedo() { return undone.length > 0; },
  };
}
