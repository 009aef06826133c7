"use strict";
// What both pages share: sounds of a row that keep one position, one of them selected; one row plays at a time.
const Player = (() => {
  let current = null;

  // Makes an element; text is never read as markup.
  const make = (tag, attributes = {}, ...children) => {
    const svg = ["svg", "path"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") element.textContent = value;
      else if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  // A row has element, seconds, toggle, slider, readout, and panels {element, key, rms, audio, button, head}.
  const show = (row) => {
    row.slider.value = row.position;
    row.slider.setAttribute("aria-valuetext", `${row.position.toFixed(2)} seconds`);
    row.readout.textContent = `${row.position.toFixed(2)} s`;
    row.toggle.textContent = row.playing ? "Pause" : "Play";
    row.panels.forEach((panel, index) => {
      panel.element.classList.toggle("selected", index === row.selected);
      panel.button.setAttribute("aria-pressed", String(row.playing && index === row.selected));
      if (panel.head) panel.head.style.left = `${(100 * row.position) / row.seconds}%`;
    });
  };

  const makeCurrent = (row) => {
    if (current === row) return;
    if (current) { pause(current); current.element.classList.remove("current"); }
    current = row;
    row.element.classList.add("current");
    // Only now are its sounds fetched: a page may hold thousands.
    row.panels.forEach(({ audio }) => { audio.preload = "auto"; });
  };

  const setLevels = (row) => {
    // Every sound of the row at the level of its quietest, so that louder is not taken for better.
    const audible = row.panels.map((panel) => panel.rms).filter((rms) => rms > 1e-4);
    const quietest = Math.min(...audible, 1);
    row.panels.forEach((panel) => {
      panel.audio.volume = Player.match && panel.rms > 1e-4 ? quietest / panel.rms : 1;
      panel.audio.loop = Player.loop;
    });
  };

  const follow = (row) => {
    if (!row.playing) return;
    row.position = Math.min(row.panels[row.selected].audio.currentTime, row.seconds);
    show(row);
    requestAnimationFrame(() => follow(row));
  };

  const play = (row) => {
    makeCurrent(row);
    setLevels(row);
    const { audio } = row.panels[row.selected];
    if (row.position >= row.seconds - 0.02) row.position = 0;
    audio.currentTime = row.position;
    row.playing = true;
    row.element.classList.add("started");
    audio.play().catch((error) => { if (error.name !== "AbortError") pause(row); });
    show(row);
    requestAnimationFrame(() => follow(row));
  };

  const pause = (row) => {
    row.playing = false;
    row.panels.forEach((panel) => panel.audio.pause());
    show(row);
  };

  const seek = (row, seconds) => {
    row.position = Math.min(Math.max(seconds, 0), row.seconds);
    row.panels[row.selected].audio.currentTime = row.position;
    row.element.classList.add("started");
    show(row);
  };

  const select = (row, index) => {
    // The new sound starts where the old one was; the old one stops once the new one is under way.
    const before = row.panels[row.selected].audio;
    if (row.playing) row.position = before.currentTime;
    if (index === row.selected) return;
    row.selected = index;
    if (row.playing) { play(row); before.pause(); } else show(row);
  };

  // Joins a row's elements to all of this.
  const start = (row) => {
    Object.assign(row, { selected: 0, position: 0, playing: false });
    row.toggle.addEventListener("click", () => (row.playing ? pause(row) : play(row)));
    row.slider.addEventListener("input", () => { makeCurrent(row); seek(row, Number(row.slider.value)); });
    row.panels.forEach((panel, index) => {
      panel.audio.addEventListener("ended", () => {
        if (row.playing && row.selected === index) { pause(row); row.position = 0; show(row); }
      });
      panel.button.addEventListener("click", () => {
        if (row.playing && row.selected === index) return pause(row);
        select(row, index);
        if (!row.playing) play(row);
      });
    });
    row.element.addEventListener("focusin", () => makeCurrent(row));
    show(row);
  };

  // The keys: letters choose a sound, space plays, arrows move, n and p walk through `rows()`.
  const keys = (rows, reveal = () => {}) => {
    const step = (by) => {
      const shown = rows();
      const row = shown[Math.min(Math.max(shown.indexOf(current) + by, 0), shown.length - 1)];
      if (!row) return;
      makeCurrent(row);
      row.element.focus({ preventScroll: true });
      row.element.scrollIntoView({ block: "start" });
      reveal(row);
    };
    document.addEventListener("keydown", (event) => {
      const at = event.target;
      if (event.ctrlKey || event.metaKey || event.altKey || at.closest("select, summary, input:not([type=range])")) return;
      const key = event.key.toLowerCase();
      const row = current || rows()[0];
      if (!row) return;
      const index = row.panels.findIndex((panel) => panel.key === key);
      if (index >= 0) { makeCurrent(row); select(row, index); }
      else if (key === "n") step(1);
      else if (key === "p") step(-1);
      else if (key === " " && !at.closest("button, input")) row.playing ? pause(row) : play(row);
      else if ((key === "arrowleft" || key === "arrowright") && !at.closest("input")) {
        makeCurrent(row);
        seek(row, row.position + (key === "arrowleft" ? -0.1 : 0.1));
      } else return;
      event.preventDefault();
    });
  };

  const leave = () => { if (current) pause(current); current = null; };

  return { make, start, play, pause, seek, select, setLevels, makeCurrent, keys, leave, loop: false, match: true };
})();
