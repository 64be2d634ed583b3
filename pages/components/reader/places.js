// What leads to places in the text that want to be looked at.

// Where the model wrote the same again and again, as models do that lost the sound.
function repeated(play) {
  const bar = make("div", "places repeated");
  bar.hidden = true;
  const jump = (seconds) => {
    const made = make("button", "jump", clock(seconds));
    made.type = "button";
    made.setAttribute("aria-label", `Play from ${clock(seconds)}`);
    made.onclick = () => play(seconds);
    return made;
  };
  return {
    element: bar,
    show(found) {
      bar.hidden = !found.length;
      bar.replaceChildren(...found.map(({ start, end, phrase, times }) => {
        const line = make("div");
        const said = make("bdi", "", phrase);
        line.append("From ", jump(start), " to ", jump(end), " the model wrote “", said,
          `” ${times} times in a row: listen whether that was said.`);
        return line;
      }));
    },
  };
}

// Passages that were edited, and that the machine hears otherwise since.
function differences(list) {
  const bar = make("div", "places steps");
  bar.hidden = true;
  const said = make("span"), count = make("span", "count");
  count.setAttribute("aria-live", "polite");
  let found = [], at = -1;

  function step(by) {
    at = at < 0 && by < 0 ? found.length - 1 : (at + by + found.length) % found.length;
    list.reveal(found[at]);
    list.parts(found[at]).box.querySelector(".choice")?.focus({ preventScroll: true });
    draw();
  }

  function draw() {
    bar.hidden = !found.length;
    const passages = found.length === 1 ? "1 edited passage is" : `${found.length} edited passages are`;
    said.textContent = `${passages} heard otherwise now: choose which text stays.`;
    count.textContent = `${at + 1} / ${found.length}`;
  }

  bar.append(said, count, button("keyboard_arrow_up", "Previous difference", () => step(-1)),
    button("keyboard_arrow_down", "Next difference", () => step(1)));
  return {
    element: bar,
    show() {
      const now = list.passages.filter((passage) => passage.was !== undefined);
      if (now.length < found.length) at = Math.max(at - 1, -1); // one is settled: the next follows
      found = now;
      at = Math.min(at, found.length - 1);
      draw();
    },
  };
}
