// Places in a document: a click on one leads to its page. Text is set as text, never as HTML.
const handlers = new WeakMap();

function entry({ parts, page, label, level }, jump) {
  const button = document.createElement("button");
  button.style.paddingInlineStart = `${0.5 + 0.9 * (level - 1)}rem`;
  const title = document.createElement("span");
  title.className = "title";
  title.dir = "auto";
  parts.forEach((text, index) => {
    const part = document.createElement(index % 2 ? "mark" : "span");
    part.textContent = text;
    title.append(part);
  });
  const number = document.createElement("span");
  number.className = "page";
  number.textContent = label;
  button.append(title, number);
  button.onclick = () => jump(page);
  return button;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let list = parentElement.querySelector(".jumps");
  if (!list) {
    list = document.createElement("nav");
    list.className = "jumps";
    parentElement.append(list);
    handlers.set(list, { shown: "" });
  }
  const state = handlers.get(list);
  state.jump = (page) => setTriggerValue("clicked", page);
  list.setAttribute("aria-label", data.name);
  const text = JSON.stringify(data.entries);
  if (text !== state.shown) {
    state.shown = text;
    list.replaceChildren(...data.entries.map((item) => entry(item, (page) => state.jump(page))));
  }
  // The last entry that begins at or before the page on show.
  let current = -1;
  data.entries.forEach(({ page }, index) => {
    if (page <= data.current && (current < 0 || page >= data.entries[current].page)) current = index;
  });
  [...list.children].forEach((button, index) => {
    if (index !== current) button.removeAttribute("aria-current");
    else if (!button.hasAttribute("aria-current")) {
      button.setAttribute("aria-current", "true");
      const top = button.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 40) {
        list.scrollTop = top - list.clientHeight / 2;
      }
    }
  });
}
