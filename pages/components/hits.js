// What a search found: sources with their passages. Text from people is set as text, never HTML.
const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
};

const link = (className, text, href) => {
  const made = element("a", className, text);
  made.href = href;
  made.target = "_self"; // a real address: it can be copied, opened beside, and gone back from
  return made;
};

const handlers = new WeakMap();

function passage(hit, click) {
  const box = element("div", "hit");
  box.append(link("place", hit.place, hit.href));
  const text = element("div", "text");
  text.dir = "auto";
  for (const [part, marked] of hit.parts) text.append(marked ? element("mark", "", part) : part);
  box.append(text);
  const under = element("div", "under");
  if (hit.path) under.append(element("span", "path", hit.path));
  for (const { name, label } of hit.actions) {
    const button = element("button", "", label);
    button.setAttribute("aria-label", `${label}: ${hit.place}`);
    button.onclick = () => click(name, hit.key);
    under.append(button);
  }
  if (under.children.length) box.append(under);
  return box;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const old = parentElement.querySelector(".hits");
  const text = JSON.stringify(data.groups);
  const state = handlers.get(old) ?? {};
  state.click = (action, id) => setTriggerValue("clicked", { action, id });
  if (old && state.text === text) return; // what is read stays, and the focus in it
  const click = (action, id) => state.click(action, id);
  const list = element("div", "hits");
  for (const group of data.groups) {
    const box = element("div", "group");
    const head = element("div", "head");
    const icon = element("span", "icon", group.icon);
    icon.setAttribute("aria-hidden", "true"); // else the name of the symbol is read out
    head.append(icon, link("name", group.name, group.href));
    if (group.editable) {
      const edit = element("button", "", "Edit");
      edit.setAttribute("aria-label", `Edit: ${group.name}`);
      edit.onclick = () => click("edit", group.id);
      head.append(edit);
    }
    const detail = element("div", "detail");
    for (const tag of group.tags) detail.append(element("span", "tag", tag));
    detail.append(group.detail);
    head.append(detail);
    box.append(head, ...group.hits.map((hit) => passage(hit, click)));
    list.append(box);
  }
  old?.remove();
  parentElement.append(list);
  handlers.set(list, Object.assign(state, { text }));
}
