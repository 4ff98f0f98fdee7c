"use strict";
// The table: only rows in sight are elements, so any number of records scrolls. Everything from the log goes into the
// page as text, never as markup.
(() => {
  const HEIGHT = 18, SPARE = 20;
  const all = JSON.parse(document.getElementById("records").textContent);
  const view = document.getElementById("view"), space = document.getElementById("space");
  const rows = document.getElementById("rows"), count = document.getElementById("count");
  const text = document.getElementById("text"), level = document.getElementById("level");
  const LEVELS = ["error", "warn", "info", "debug", "trace"];
  const isLoss = (row) => row.length === 1;
  const line = (row) => isLoss(row) ? row[0] :
    `${row[0].padStart(13)}  cpu ${String(row[1]).padEnd(3)} ${row[2].padEnd(12)}  ${row[3].padEnd(5)}  ` +
    `${row[4].padStart(6)}  ${row[7]}${row[8] === null ? "" : `  (${row[8]})`}`;
  const lines = all.map((row) => line(row).toLowerCase());
  let shown = all.map((_, index) => index), picked = -1, first = -1;

  const draw = (force) => {
    const start = Math.max(0, Math.floor(view.scrollTop / HEIGHT) - SPARE);
    if (start === first && !force) return;
    first = start;
    const end = Math.min(shown.length, start + Math.ceil(view.clientHeight / HEIGHT) + 2 * SPARE);
    const parts = [];
    for (let place = start; place < end; place++) {
      const row = all[shown[place]], element = document.createElement("div");
      element.className = "row " + (isLoss(row) ? "loss" : LEVELS.includes(row[3]) ? row[3] : "");
      element.textContent = line(row);
      if (shown[place] === picked) {
        element.classList.add("picked");
        if (!isLoss(row)) element.textContent += `\n  lane ${row[5]}, number ${row[6]}`;
      }
      element.dataset.place = place;
      parts.push(element);
    }
    rows.style.top = `${start * HEIGHT}px`;
    rows.replaceChildren(...parts);
  };
  const choose = () => {
    const wanted = text.value.toLowerCase(), most = LEVELS.indexOf(level.value);
    shown = [];
    for (let index = 0; index < all.length; index++) {
      const row = all[index];
      // What is missing is never filtered away.
      const passes = isLoss(row) || (most < 0 || LEVELS.indexOf(row[3]) <= most) && lines[index].includes(wanted);
      if (passes) shown.push(index);
    }
    space.style.height = `${shown.length * HEIGHT}px`;
    count.textContent = `${shown.length} of ${all.length} rows`;
    draw(true);
  };
  // To the first row from that time on.
  const go = (seconds) => {
    const place = shown.findIndex((index) => !isLoss(all[index]) && Number(all[index][0]) >= seconds);
    view.scrollTop = (place < 0 ? shown.length : place) * HEIGHT;
    view.scrollIntoView({ block: "nearest" });
  };
  view.addEventListener("scroll", () => draw(false));
  rows.addEventListener("click", (event) => {
    const place = event.target.dataset.place;
    if (place === undefined || String(getSelection())) return;
    picked = picked === shown[place] ? -1 : shown[place];
    draw(true);
  });
  text.addEventListener("input", choose);
  level.addEventListener("input", choose);
  const svg = document.querySelector("#picture svg");
  if (svg) svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect(), { from, to, left, right } = svg.dataset;
    const share = ((event.clientX - box.left) / box.width - left) / (right - left);
    if (share >= 0 && share <= 1) go(Number(from) + share * (to - from));
  });
  window.addEventListener("resize", () => draw(true));
  choose();
})();
