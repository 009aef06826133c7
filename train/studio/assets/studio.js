// Plays source, reference and result: one at a time, level-matched, the position kept.
(() => {
  const roles = ["source", "reference", "result"];
  const keys = { a: "source", b: "reference", c: "result" };
  const state = { role: "result", playing: false, at: 0, sound: null };
  const find = (role) => document.querySelector(`audio[data-role="${role}"]`);
  const checked = (name) => document.querySelector(`#player [name="${name}"]`)?.checked ?? true;

  function matchLevels() {
    const sounds = roles.map(find).filter(Boolean);
    const levels = sounds.map((one) => Number(one.dataset.rms)).filter((rms) => rms > 1e-5);
    const quietest = Math.min(...levels);
    for (const one of sounds) {
      const rms = Number(one.dataset.rms);
      one.volume = checked("match") && rms > quietest ? quietest / rms : 1;
    }
  }

  function stop() {
    if (!state.sound) return;
    state.at = state.sound.currentTime;
    state.sound.pause();
    state.sound = null;
  }

  async function start() {
    stop();
    const sound = find(state.role);
    if (!state.playing || !sound) return;
    await load(sound);
    if (!state.playing || find(state.role) !== sound || state.sound) return;
    state.sound = sound;
    matchLevels();
    sound.currentTime = state.at < (sound.duration || Infinity) ? state.at : 0;
    sound.onended = () => {
      if (state.sound !== sound) return;
      state.at = 0;
      sound.currentTime = 0;
      if (checked("loop")) sound.play();
      else toggle();
    };
    sound.play().catch(() => {});
  }

  function load(sound) {
    sound.ready ??= (async () => {
      const answer = await fetch(sound.dataset.src);
      sound.src = URL.createObjectURL(await answer.blob());
      await new Promise((done) => {
        sound.addEventListener("loadedmetadata", done, { once: true });
        sound.addEventListener("error", done, { once: true });
        sound.load();
      });
    })();
    return sound.ready;
  }

  function show() {
    for (const role of roles) {
      const chosen = role === state.role;
      document.querySelector(`#player [data-choose="${role}"]`)?.setAttribute("aria-pressed", String(chosen));
      document.querySelector(`.panel[data-role="${role}"]`)?.classList.toggle("current", chosen);
    }
    const button = document.querySelector("#player [data-toggle]");
    if (button) {
      const text = state.playing ? "Pause" : "Play";
      if (button.textContent !== text) button.textContent = text;
      button.setAttribute("aria-pressed", String(state.playing));
    }
  }

  function choose(role) {
    if (!find(role)) return;
    state.role = role;
    show();
    start();
  }

  function toggle() {
    state.playing = !state.playing;
    show();
    if (state.playing) start();
    else stop();
  }

  document.addEventListener("click", (event) => {
    const target = event.target;
    const button = target.closest?.("[data-choose]");
    if (button) choose(button.dataset.choose);
    if (target.closest?.("[data-toggle]")) toggle();
    if (target.closest?.("#player [name=match]")) matchLevels();
    const picture = target.closest?.(".panel[data-role] svg");
    const sound = picture && find(picture.closest(".panel").dataset.role);
    if (sound) {
      const box = picture.getBoundingClientRect();
      load(sound).then(() => {
        stop();
        state.at = ((event.clientX - box.left) / box.width) * sound.duration;
        state.playing = true;
        choose(sound.dataset.role);
      });
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, button, a, pre, [contenteditable], [role=button]")) return;
    if (keys[event.key]) choose(keys[event.key]);
    else if (event.key === " ") toggle();
    else return;
    event.preventDefault();
  });

  new MutationObserver(() => {
    if (state.sound && !state.sound.isConnected) {
      URL.revokeObjectURL(state.sound.src);
      start();
    }
    for (const sound of roles.map(find)) if (sound && !sound.ready) load(sound);
    show();
  }).observe(document.documentElement, { childList: true, subtree: true });

  setInterval(() => {
    for (const role of roles) {
      const sound = find(role);
      const cursor = document.querySelector(`.panel[data-role="${role}"] .cursor`);
      if (!sound || !cursor) continue;
      const at = state.sound ? state.sound.currentTime : state.at;
      const place = String((600 * Math.min(at / (sound.duration || 1), 1)).toFixed(1));
      cursor.setAttribute("x1", place);
      cursor.setAttribute("x2", place);
    }
  }, 60);

  window.studio = { state, roles, find };
})();
