// Filters as buttons: a click chooses a value, another one lets it go.
export default function ({ data, parentElement, setTriggerValue }) {
  const old = parentElement.querySelector(".facets");
  const held = old?.getRootNode().activeElement?.dataset.value; // the keyboard stays where it is
  const list = document.createElement("div");
  list.className = "facets";
  for (const facet of data.facets) {
    const box = document.createElement("div");
    box.className = "facet";
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", facet.label);
    const label = document.createElement("span");
    label.className = "label";
    label.textContent = facet.label;
    box.append(label);
    for (const { value, text, count, chosen } of facet.values) {
      const button = document.createElement("button");
      button.setAttribute("aria-pressed", String(chosen));
      button.dataset.value = JSON.stringify([facet.name, value]);
      button.title = text;
      button.textContent = text;
      const number = document.createElement("span");
      number.className = "count";
      number.textContent = count;
      button.append(number);
      button.onclick = () => setTriggerValue("clicked", { name: facet.name, value });
      box.append(button);
    }
    list.append(box);
  }
  old?.remove();
  parentElement.append(list);
  if (held) [...list.querySelectorAll("button")].find((button) => button.dataset.value === held)?.focus();
}
