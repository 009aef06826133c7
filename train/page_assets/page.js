"use strict";
// One player a row: its sounds share a position, and one of them is selected. Only one row plays at a time.
(() => {
  const options = document.querySelector(".filters");
  const rows = [...document.querySelectorAll(".row")].map((element) => {
    const panels = [...element.querySelectorAll(".panel")].map((panel) => ({
      element: panel,
      key: panel.dataset.key,
      rms: Number(panel.dataset.rms),
      audio: panel.querySelector("audio"),
      button: panel.querySelector(".play"),
      head: panel.querySelector(".head"),
    }));
    return {
      element, panels, selected: 0, position: 0, playing: false,
      toggle: element.querySelector(".toggle"),
      slider: element.querySelector("input[type=range]"),
      readout: element.querySelector("output"),
      seconds: Number(element.querySelector("input[type=range]").max),
    };
  });
  let current = null;

  const show = (row) => {
    row.slider.value = row.position;
    row.slider.setAttribute("aria-valuetext", `${row.position.toFixed(2)} seconds`);
    row.readout.textContent = `${row.position.toFixed(2)} s`;
    row.toggle.textContent = row.playing ? "Pause" : "Play";
    row.panels.forEach((panel, index) => {
      panel.element.classList.toggle("selected", index === row.selected);
      panel.button.setAttribute("aria-pressed", String(row.playing && index === row.selected));
      panel.head.style.left = `${(100 * row.position) / row.seconds}%`;
    });
  };

  const makeCurrent = (row) => {
    if (current === row) return;
    if (current) { pause(current); current.element.classList.remove("current"); }
    current = row;
    row.element.classList.add("current");
  };

  const setLevels = (row) => {
    // Every sound of the row at the level of its quietest, so that louder is not taken for better.
    const audible = row.panels.map((panel) => panel.rms).filter((rms) => rms > 1e-4);
    const quietest = Math.min(...audible, 1);
    row.panels.forEach((panel) => {
      panel.audio.volume = options.match.checked && panel.rms > 1e-4 ? quietest / panel.rms : 1;
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
    audio.loop = options.loop.checked;
    audio.currentTime = row.position;
    row.playing = true;
    row.element.classList.add("started");
    audio.play().catch(() => pause(row));
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

  rows.forEach((row) => {
    row.toggle.addEventListener("click", () => (row.playing ? pause(row) : play(row)));
    row.slider.addEventListener("input", () => { makeCurrent(row); seek(row, Number(row.slider.value)); });
    row.panels.forEach((panel, index) => {
      panel.audio.controls = false;
      panel.audio.addEventListener("ended", () => {
        if (row.playing && row.selected === index) { pause(row); row.position = 0; show(row); }
      });
      panel.button.addEventListener("click", () => {
        if (row.playing && row.selected === index) return pause(row);
        select(row, index);
        if (!row.playing) play(row);
      });
      panel.element.querySelector(".view").addEventListener("click", (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        makeCurrent(row);
        select(row, index);
        seek(row, (row.seconds * (event.clientX - box.left)) / box.width);
        if (!row.playing) play(row);
      });
    });
    row.element.addEventListener("focusin", () => makeCurrent(row));
    show(row);
  });

  const visible = () => rows.filter((row) => !row.element.hidden);

  const step = (by) => {
    const shown = visible();
    if (!shown.length) return;
    const place = current ? shown.indexOf(current) : -1;
    const row = shown[Math.min(Math.max(place + by, 0), shown.length - 1)];
    makeCurrent(row);
    row.element.focus({ preventScroll: true });
    row.element.scrollIntoView({ block: "start" });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, summary")) return;
    const key = event.key.toLowerCase();
    const row = current || visible()[0];
    if (!row) return;
    const index = row.panels.findIndex((panel) => panel.key === key);
    if (index >= 0) { makeCurrent(row); select(row, index); }
    else if (key === "n") step(1);
    else if (key === "p") step(-1);
    else if (key === " " && !event.target.closest("button, input")) row.playing ? pause(row) : play(row);
    else if ((key === "arrowleft" || key === "arrowright") && !event.target.closest("input")) {
      makeCurrent(row);
      seek(row, row.position + (key === "arrowleft" ? -0.1 : 0.1));
    } else return;
    event.preventDefault();
  });

  options.addEventListener("submit", (event) => event.preventDefault());
  options.addEventListener("change", () => {
    rows.forEach((row) => {
      const { kind, split } = row.element.dataset;
      const shown = options.kind.value === "" || options.kind.value === kind;
      row.element.hidden = !shown || !(options.split.value === "" || options.split.value === split);
      if (row.element.hidden && row.playing) pause(row);
      setLevels(row);
      row.panels.forEach((panel) => { panel.audio.loop = options.loop.checked; });
    });
  });

  document.documentElement.classList.add("ready");
})();
