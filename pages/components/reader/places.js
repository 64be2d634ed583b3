// What leads to places in the text that want to be looked at.

// Where the model wrote the same again and again, as models do that lost the sound.
function repeated(play) {
  const bar = make("div", "places");
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
