// The blind test: trials in an order of the rater's own, ratings kept while the page is open and saved as CSV.
(() => {
  const { make } = Player;
  const { trials, test } = JSON.parse(document.getElementById("data").textContent);
  const options = document.querySelector(".filters");
  const holder = document.getElementById("rows");
  const save = document.querySelector(".save");
  const QUESTIONS = ["timbre", "envelope", "content"];
  const ratings = new Map(); // "stimulus question" -> 1..5
  const wanted = trials.reduce((sum, trial) => sum + trial.stimuli.length, 0) * QUESTIONS.length;

  const tell = () => {
    document.getElementById("progress").textContent = `${ratings.size} of ${wanted} ratings`;
    save.disabled = ratings.size === 0 || options.rater.value.trim() === "";
  };

  const scale = (stimulus, question, words, label) => make("fieldset", {}, make("legend", { text: words }),
    ...[1, 2, 3, 4, 5].map((points) => {
      const input = make("input", { type: "radio", name: `${stimulus.name} ${question}`, value: points, "aria-label": `${label}, ${question}: ${points} of 5` });
      input.addEventListener("change", () => { ratings.set(`${stimulus.name} ${question}`, points); tell(); });
      return make("label", {}, input, String(points));
    }));

  const rows = trials.map((trial, number) => {
    const row = { seconds: trial.seconds, trial };
    const sounds = [...trial.given, ...trial.stimuli];
    row.panels = sounds.map((sound, index) => {
      const letter = String.fromCharCode(65 + index);
      const name = sound.role || `attempt ${index - trial.given.length + 1}`;
      const button = make("button", { type: "button", class: "play", "aria-pressed": "false", "aria-label": `Play ${name}, key ${letter}` },
        make("kbd", { text: letter }), make("b", { text: name }));
      const head = make("div", { class: "head", "aria-hidden": "true" });
      const audio = make("audio", { preload: "none", src: sound.src });
      const element = make("div", { class: `panel ${sound.role || "converted"}`, "data-name": sound.name || sound.role },
        button, make("div", { class: "bar-of-time" }, head), audio);
      if (!sound.role) element.append(...QUESTIONS.map((question) => scale(sound, question, trial.asked[question], name)));
      return { element, key: letter.toLowerCase(), rms: sound.rms, audio, button, head };
    });
    row.toggle = make("button", { type: "button", class: "toggle", "aria-label": "Play or pause this trial", text: "Play" });
    row.slider = make("input", { type: "range", min: 0, max: trial.seconds, step: 0.001, value: 0, "aria-label": "Position in this trial, seconds" });
    row.readout = make("output");
    row.title = make("h3", { id: `title-${number}` });
    row.element = make("section", { class: "row", "data-trial": trial.name, "aria-labelledby": `title-${number}`, tabindex: "-1" },
      make("header", {}, make("div", {}, row.title, make("p", { text: trial.words })),
        make("div", { class: "transport" }, row.toggle, row.slider, row.readout)),
      make("div", { class: "panels" }, ...row.panels.map((panel) => panel.element)));
    Player.start(row);
    return row;
  });

  // The order of trials follows from the rater's name: tired ears then meet other trials each time.
  const hash = (text) => [...text].reduce((h, c) => Math.imul(h ^ c.codePointAt(0), 16777619) >>> 0, 2166136261);
  let order = rows;
  const arrange = () => {
    const rater = options.rater.value.trim();
    order = [...rows].sort((a, b) => hash(rater + a.trial.name) - hash(rater + b.trial.name));
    order.forEach((row, place) => { row.title.textContent = `Trial ${place + 1} of ${rows.length}`; });
    holder.replaceChildren(...order.map((row) => row.element));
    tell();
  };

  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const table = () => {
    const rater = quoted(options.rater.value.trim());
    const lines = trials.flatMap((trial) => trial.stimuli
      .map((stimulus) => [stimulus.name, QUESTIONS.map((question) => ratings.get(`${stimulus.name} ${question}`) ?? "")])
      .filter(([, given]) => given.some((points) => points !== ""))
      .map(([name, given]) => [test, rater, trial.name, name, ...given].join(",")));
    return ["test,rater,trial,stimulus,timbre,envelope,content", ...lines].join("\n") + "\n";
  };
  save.addEventListener("click", () => {
    const link = make("a", { download: `ratings-${options.rater.value.trim().replace(/\W+/g, "_")}.csv` });
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    link.click();
    URL.revokeObjectURL(link.href);
    saved = ratings.size;
  });
  let saved = 0;
  window.addEventListener("beforeunload", (event) => { if (ratings.size > saved) event.preventDefault(); });

  options.addEventListener("submit", (event) => event.preventDefault());
  options.addEventListener("change", (event) => {
    Player.loop = options.loop.checked;
    Player.match = options.match.checked;
    if (event.target === options.rater) arrange();
    else rows.forEach(Player.setLevels);
  });
  options.rater.addEventListener("input", tell);
  Player.keys(() => order);
  window.ratingsTable = table; // what Save writes, for those who drive the page
  arrange();
  document.documentElement.classList.add("ready");
})();
