// A list of things with their state. Everything that came from people is set as text, never HTML.
const element = (tag, className, text) => {
  const made = document.createElement(tag);
  made.className = className;
  if (text) made.textContent = text;
  return made;
};

const shown = new WeakMap();

// Return a row that is still to be filled.
function build(id) {
  const box = element("li", "row");
  box.dataset.id = id;
  box.tabIndex = -1; // it takes the focus of a button that goes
  const icon = element("span", "icon"), main = element("div", "main"), side = element("div", "side");
  icon.setAttribute("aria-hidden", "true"); // else the name of the symbol is read out
  const detail = element("div", "detail"), status = element("span", "status");
  const note = element("div", "note"), problem = element("div", "problem");
  const bar = element("div", "bar");
  bar.setAttribute("role", "progressbar");
  bar.append(document.createElement("i"));
  main.append(detail);
  side.append(status);
  box.append(icon, main, side, note, problem, bar);
  return { box, icon, main, detail, side, status, note, problem, bar, was: {} };
}

// Show a row's state. Only what differs is changed: a button under a finger must not vanish, nor
// one that has the focus, because a file got on.
function fill(made, row, click) {
  const { box, bar, was } = made;
  box.className = `row ${row.tone}`;
  for (const part of ["icon", "detail", "status", "note", "problem"]) {
    if (made[part].textContent !== row[part]) made[part].textContent = row[part];
  }
  if (was.title !== row.title || was.opens !== row.opens) {
    const title = element(row.opens ? "button" : "div", "title", row.title);
    title.title = row.title;
    if (row.opens) title.onclick = () => click("open", row.id);
    made.main.querySelector(".title")?.remove();
    made.main.prepend(title);
  }
  const actions = JSON.stringify([row.title, row.actions]);
  if (was.actions !== actions) {
    made.side.replaceChildren(made.status, ...row.actions.map(({ name, label }) => {
      const button = element("button", "action", label);
      button.setAttribute("aria-label", `${label}: ${row.title}`);
      button.onclick = () => click(name, row.id);
      return button;
    }));
  }
  bar.hidden = row.share === null;
  if (!bar.hidden) {
    const percent = Math.round(row.share * 100);
    bar.setAttribute("aria-label", row.title);
    bar.setAttribute("aria-valuenow", String(percent));
    bar.firstChild.style.width = `${percent}%`;
  }
  made.was = { title: row.title, opens: row.opens, actions };
}

export default function ({ data, parentElement, setTriggerValue }) {
  let list = parentElement.querySelector(".rows");
  if (!list) {
    list = element("ul", "rows");
    list.setAttribute("role", "list"); // a list without bullets is none to Safari
    parentElement.append(list);
    shown.set(list, { known: new Map(), click: null });
  }
  // A row that stays must not keep the way to Python that an earlier run of the page opened.
  const state = shown.get(list);
  state.click = (action, id) => setTriggerValue("clicked", { action, id });
  const click = (action, id) => state.click(action, id);
  const active = list.getRootNode().activeElement;
  const at = [...list.children].findIndex((box) => box.contains(active));

  const { known } = state;
  const wanted = data.rows.map((row) => {
    const made = known.get(row.id) ?? build(row.id);
    fill(made, row, click);
    return [row.id, made];
  });
  state.known = new Map(wanted);
  // Only what differs is moved, so that the focus stays where it is.
  const boxes = wanted.map(([, { box }]) => box);
  boxes.forEach((box, index) => {
    const there = list.children[index];
    if (there === box) return;
    if (there && !boxes.includes(there)) there.replaceWith(box);
    else list.insertBefore(box, there ?? null);
  });
  while (list.children.length > boxes.length) list.lastChild.remove();
  // What had the focus is gone: it passes to what stands there now, not to the top of the page.
  if (at >= 0 && !active.isConnected) list.children[Math.min(at, boxes.length - 1)]?.focus({ preventScroll: true });
}
