// The text. Hours of it stay smooth because only blocks of passages near the window are built.
const BLOCK = 40; // passages
const DOUBT = 0.8; // confidence below which a word is unclear: shaded, and gone to

const unclear = ([, , , confidence]) => confidence !== null && confidence < DOUBT;

function passageList(actions) {
  const list = make("div", "passages");
  list.tabIndex = -1;
  let passages = [], names = {}, blocks = [], repetitions = [];
  const built = new Map(); // passage → { box, words }
  const watcher = new IntersectionObserver(
    (entries) => entries.forEach(({ target, isIntersecting }) =>
      isIntersecting ? fill(target.block) : empty(target.block)),
    { root: list, rootMargin: "800px 0px" },
  );

  const nameOf = (passage) => (passage.speaker ? names[passage.speaker] ?? passage.speaker : "");

  function newBlock(content) {
    const element = make("div", "block");
    const block = { element, passages: content, filled: false };
    element.block = block;
    content.forEach((passage) => (passage.block = block));
    element.style.height = `${guess(content)}px`;
    return block;
  }

  function guess(content) {
    const columns = Math.max(20, (list.clientWidth || 800) / 9 - 8);
    const lines = (p) => Math.ceil(p.words.reduce((sum, w) => sum + w[2].length, p.text?.length ?? 0) / columns);
    return content.reduce((sum, p) => sum + 14 + 25 * Math.max(1, lines(p)), 0);
  }

  function show(view) {
    watcher.disconnect();
    built.clear();
    passages = view.passages;
    names = view.names;
    repetitions = view.repetitions;
    blocks = [];
    for (let i = 0; i < passages.length; i += BLOCK) blocks.push(newBlock(passages.slice(i, i + BLOCK)));
    list.replaceChildren(...blocks.map((block) => block.element));
    blocks.forEach((block) => watcher.observe(block.element));
  }

  function fill(block) {
    if (block.filled) return;
    block.filled = true;
    block.element.style.height = "";
    let before = passages[passages.indexOf(block.passages[0]) - 1];
    block.element.replaceChildren(...block.passages.map((passage) => {
      const box = build(passage, before ? nameOf(before) : "");
      before = passage;
      return box;
    }));
    actions.filled();
  }

  function empty(block) {
    if (!block.filled || block.element.querySelector(".editor")) return;
    block.filled = false;
    block.element.style.height = `${block.element.offsetHeight}px`;
    block.element.replaceChildren();
    block.passages.forEach((passage) => built.delete(passage));
  }

  function refill(block) {
    if (!block?.filled) return;
    block.filled = false;
    block.passages.forEach((passage) => built.delete(passage));
    fill(block);
  }

  // The repetition that a word belongs to; what a person wrote there belongs to none.
  const repetition = (passage, [start, end]) =>
    typeof passage.edit?.text === "string" ? null : repetitions.find((r) => r.start <= start && end <= r.end);

  function build(passage, nameBefore) {
    const box = make("div", "passage");
    box.passage = passage;
    const time = make("button", "time", clock(passage.start));
    time.type = "button";
    time.setAttribute("aria-label", `Play from ${clock(passage.start)}`);
    const body = make("div", "body");
    body.dir = "auto"; // as the text in it, whatever alphabet the speaker's name has
    const name = nameOf(passage);
    const speaker = make("button", "speaker", name);
    speaker.type = "button";
    speaker.title = "Change the speaker";
    speaker.dir = "auto";
    speaker.hidden = !name || name === nameBefore;
    const text = make("div", "text");
    const words = passage.words.map((heard, i) => {
      const [, , word, confidence] = heard;
      const span = make("span", "w", word.trimEnd());
      span.number = i;
      if (unclear(heard)) {
        span.classList.add("doubt");
        span.style.setProperty("--doubt", (1 - confidence / DOUBT).toFixed(2));
        span.title = `${Math.round(confidence * 100)} % sure`;
      }
      const again = repetition(passage, heard);
      if (again) {
        span.classList.add("again");
        span.title = `One of ${again.times} times in a row: listen whether that was said`;
      }
      text.append(span);
      if (word !== word.trimEnd()) text.append(" ");
      return span;
    });
    if (!words.length) text.append(passage.text || make("em", "gone", "(removed)"));
    body.append(speaker, text);
    if (passage.edit) body.append(actions.editNote(passage));
    const pens = make("div", "pens");
    const person = button("person", "Change the speaker", () => actions.rename(passage));
    person.classList.add("person");
    const pen = button("edit", "Edit the text (E)", () => actions.edit(passage));
    // To who hears the page, a button without its place is like all the others.
    person.setAttribute("aria-label", `Change the speaker at ${clock(passage.start)}`);
    pen.setAttribute("aria-label", `Edit the text at ${clock(passage.start)}`);
    pens.append(person, pen);
    box.append(time, body, pens);
    built.set(passage, { box, words, body });
    return box;
  }

  // Nothing scrolls while a person selects text: a click is one that stays where it began.
  let pressed = null;
  list.addEventListener("pointerdown", (event) => (pressed = [event.clientX, event.clientY]));
  list.addEventListener("click", (event) => {
    const box = event.target.closest(".passage");
    if (!box) return;
    if (event.target.closest(".speaker")) actions.rename(box.passage);
    else if (event.target.closest(".time")) actions.play(box.passage.start);
    else if (event.target.closest(".text")) {
      const moved = pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 5;
      const word = event.target.closest(".w");
      if (!moved) actions.play(word ? box.passage.words[word.number][0] : box.passage.start);
    }
  });

  return {
    element: list,
    show,
    refill,
    get passages() { return passages; },
    get names() { return names; },
    get repetitions() { return repetitions; },
    parts: (passage) => built.get(passage),
    // The text of a passage as a person edits it.
    text: (passage) => passage.words.length ? passage.words.map((w) => w[2]).join("") : passage.text ?? "",
    nameOf,
    // Take passages of the server's in the place of others.
    splice({ at, removed, passages: fresh, names: now, repetitions: left }) {
      const old = passages.slice(at, at + removed);
      const block = (old[0] ?? passages[at - 1] ?? passages[at])?.block;
      const renamed = JSON.stringify(now) !== JSON.stringify(names);
      names = now;
      repetitions = left;
      if (!block) return show({ passages: fresh, names, repetitions });
      const inside = old.length
        ? block.passages.indexOf(old[0])
        : passages[at - 1] ? block.passages.indexOf(passages[at - 1]) + 1 : 0;
      old.forEach((passage) => {
        passage.block.passages.splice(passage.block.passages.indexOf(passage), 1);
        built.delete(passage);
      });
      passages.splice(at, removed, ...fresh);
      block.passages.splice(inside, 0, ...fresh);
      fresh.forEach((passage) => (passage.block = block));
      const touched = new Set([...old.map((p) => p.block), block, passages[at + fresh.length]?.block]);
      (renamed ? blocks : [...touched]).forEach(refill);
    },
    // The first passage of which a person sees a line at least.
    firstSeen() {
      const at = list.scrollTop + 20;
      const block = blocks.find(({ element: e }) => e.offsetTop + e.offsetHeight > at) ?? blocks.at(-1);
      fill(block);
      const seen = ({ box }) => box.offsetTop + box.offsetHeight > at;
      return block.passages.find((p) => seen(built.get(p))) ?? passages.at(-1);
    },
    // Bring a passage into view: at the top third, or with `gently` only where it is out of sight.
    reveal(passage, gently = false) {
      fill(passage.block);
      const { box } = built.get(passage);
      const top = box.offsetTop, bottom = top + box.offsetHeight;
      const seen = top >= list.scrollTop && bottom <= list.scrollTop + list.clientHeight;
      if (!(gently && seen)) list.scrollTop = top - list.clientHeight / 3;
    },
  };
}
