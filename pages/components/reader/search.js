// Search in the transcript: neither case nor accents matter, and a phrase may go over words.
const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function searchIn(list, changed) {
  let hits = [], current = -1, phrase = "";

  function inPassage(passage) {
    const words = passage.words.length ? passage.words.map((w) => fold(w[2])) : [fold(passage.text ?? "")];
    const text = words.join("");
    const found = [];
    for (let from = text.indexOf(phrase); from >= 0; from = text.indexOf(phrase, from + phrase.length)) {
      let begin = 0;
      const numbers = [];
      words.forEach((word, i) => {
        if (begin < from + phrase.length && from < begin + word.length) numbers.push(i);
        begin += word.length;
      });
      found.push({ passage, numbers });
    }
    return found;
  }

  const parts = (hit) => {
    const shown = list.parts(hit.passage);
    if (!shown) return [];
    return shown.words.length ? hit.numbers.map((n) => shown.words[n]) : [shown.body.querySelector(".text")];
  };

  function mark() {
    hits.forEach((hit, i) => parts(hit).forEach((part) => {
      part.classList.add("hit");
      part.classList.toggle("this", i === current);
    }));
  }

  function find(text) {
    hits.forEach((hit) => parts(hit).forEach((part) => part.classList.remove("hit", "this")));
    phrase = fold(text.trim().replace(/\s+/g, " "));
    hits = phrase ? list.passages.flatMap(inPassage) : [];
    current = -1;
    mark();
    changed();
  }

  return {
    find,
    mark,
    again: () => phrase && find(phrase),
    get count() { return hits.length; },
    get number() { return current + 1; },
    // Go to the match before or after the current one; at first to the next from the first passage
    // in view on, or to the last one before it.
    go(step) {
      if (!hits.length) return;
      if (current < 0) {
        const { start } = list.firstSeen();
        const next = hits.findIndex((hit) => hit.passage.start >= start);
        current = step > 0 ? Math.max(next, 0) : (next < 0 ? hits.length : next) - 1;
        current = (current + hits.length) % hits.length;
      } else current = (current + step + hits.length) % hits.length;
      list.reveal(hits[current].passage);
      mark();
      changed();
    },
  };
}
