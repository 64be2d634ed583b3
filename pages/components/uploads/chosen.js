// The files that somebody dropped or chose, those in folders too: pairs of a file and its folder.
const folderOf = (path) => path.split("/").filter(Boolean).slice(0, -1).join("/");

const chosenIn = (input) => Array.from(input.files, (file) => [file, folderOf(file.webkitRelativePath ?? "")]);

async function filesBelow(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [[file, folderOf(entry.fullPath)]];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) { // browsers hand out a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    for (const child of some) found.push(...await filesBelow(child));
  }
  return found;
}

async function dropped(transfer) {
  // All of them before the first pause: the browser takes the list back after the event.
  const files = Array.from(transfer.items).filter((item) => item.kind === "file");
  const entries = files.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push([entry, ""]);
    else if (entry) found.push(...await filesBelow(entry).catch(() => []));
  }
  return found;
}
