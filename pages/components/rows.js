// A list of things with their state. Everything that came from people is set as text, never HTML.
const element = (tag, className, text) => {
  const made = document.createElement(tag);
  made.className = className;
  if (text) made.textContent = text;
  return made;
};

const shown = new WeakMap();

function build(row, click) {
  const box = element("div", `row ${row.tone}`);
  box.dataset.id = row.id;
  box.append(element("span", "icon", row.icon));

  const main = element("div", "main");
  const title = element(row.opens ? "button" : "div", "title", row.title);
  title.title = row.title;
  if (row.opens) title.onclick = () => click("open", row.id);
  main.append(title);
  if (row.detail) main.append(element("div", "detail", row.detail));
  box.append(main);

  const side = element("div", "side");
  if (row.status) side.append(element("span", "status", row.status));
  for (const { name, label } of row.actions) {
    const button = element("button", "action", label);
    button.setAttribute("aria-label", `${label}: ${row.title}`);
    button.onclick = () => click(name, row.id);
    side.append(button);
  }
  box.append(side);

  if (row.problem) box.append(element("div", "problem", row.problem));
  if (row.share !== null) {
    const bar = element("div", "bar");
    const fill = document.createElement("i");
    fill.style.width = `${Math.round(row.share * 100)}%`;
    bar.append(fill);
    box.append(bar);
  }
  return box;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let list = parentElement.querySelector(".rows");
  if (!list) {
    list = element("div", "rows");
    parentElement.append(list);
    shown.set(list, { known: new Map(), click: null });
  }
  // A row that stays must not keep the way to Python that an earlier run of the page opened.
  const state = shown.get(list);
  state.click = (action, id) => setTriggerValue("clicked", { action, id });
  // Only rows that changed are built again: a button under a finger must not vanish.
  const { known } = state;
  const click = (action, id) => state.click(action, id);
  const wanted = data.rows.map((row) => {
    const text = JSON.stringify(row);
    const old = known.get(row.id);
    return old && old.text === text ? old : { text, box: build(row, click) };
  });
  known.clear();
  data.rows.forEach((row, index) => known.set(row.id, wanted[index]));
  // Only what differs is touched, so that the focus stays where it is.
  wanted.forEach(({ box }, index) => {
    const there = list.children[index];
    if (there === box) return;
    if (there && !wanted.some((other) => other.box === there)) there.replaceWith(box);
    else list.insertBefore(box, there ?? null);
  });
  while (list.children.length > wanted.length) list.lastChild.remove();
}
