// The listening page: rows are made from the data as they come into view, sorted and filtered.
(() => {
  const { make } = Player;
  const data = JSON.parse(document.getElementById("data").textContent);
  const options = document.querySelector(".filters");
  const holder = document.getElementById("rows");
  const more = document.getElementById("more");
  const metrics = new Map(data.metrics.map((metric) => [metric.name, metric]));
  const WIDTH = 240;
  const AT_ONCE = 12;
  const ROLES = ["source", "reference", "target"];
  const METHODS = {
    copy_of_source: "copy of source", copy_of_reference: "copy of reference",
    transplant: "transplant", transplant_known: "transplant, true notes",
    re_envelope: "re-envelope", re_envelope_known: "re-envelope, true notes",
    another_take: "target, another take", target_through_codec: "target through codec",
  };
  const THROUGH = "target_through_codec ";
  const HIDDEN = new Set(["silence", "target"]);
  const isTopline = (method) => method === "another_take" || `${method} `.startsWith(THROUGH);
  const named = (method) => (method === "estimate" ? "converted" : METHODS[method] ||
    (method.startsWith(THROUGH) ? `target through ${method.slice(THROUGH.length)}` : method));

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  // An area as high as each point, and the same below the middle.
  const area = (values) => {
    const x = (i) => ((i + 0.5) * WIDTH / values.length).toFixed(1);
    const up = [...values].map((v, i) => `${x(i)} ${(50 - v / 5.1 - 0.15).toFixed(1)}`);
    const down = [...values].map((v, i) => `${x(i)} ${(50 + v / 5.1 + 0.15).toFixed(1)}`).reverse();
    return `M${[...up, ...down].join("L")}Z`;
  };
  const curve = (values) => {
    const x = (i) => ((i + 0.5) * WIDTH / values.length).toFixed(1);
    const line = (sign) => [...values].map((v, i) => `${x(i)} ${(50 - sign * v / 5.1).toFixed(1)}`).join("L");
    return `M${line(1)}M${line(-1)}`;
  };

  const panelOf = (sound, index, row) => {
    const role = ROLES.includes(sound.role) ? sound.role : "converted";
    const name = named(sound.role);
    const letter = String.fromCharCode(65 + index);
    const button = make("button", { type: "button", class: "play", "aria-pressed": "false", "aria-label": `Play ${name}, key ${letter}` },
      make("kbd", { text: letter }), make("b", { text: name }));
    const facts = make("span", { class: "facts" }, ...sound.facts.map((text, place) =>
      make("span", { class: place === 0 ? "name" : place === 1 ? "envelope" : null, title: text, text })));
    const meaning = sound.curves.map((c) => c.meaning).join(" and ");
    const drawing = make("svg", { viewBox: `0 0 ${WIDTH} 100`, preserveAspectRatio: "none", role: "img", "aria-label": `Waveform of ${name} with ${meaning}` },
      make("path", { class: "wave", d: area(bytes(sound.wave)) }),
      ...sound.curves.map((c) => make("path", { class: `gain ${c.style}`, d: curve(bytes(c.values)) })));
    const spectrogram = make("div", { class: "spectrogram" },
      make("img", { src: sound.image, loading: "lazy", decoding: "async", width: 320, height: 144, alt: `Spectrogram of ${name}` }),
      ...data.hertz.map(([label, height]) => make("span", { class: "hz", style: `bottom:${100 * height}%`, "aria-hidden": "true", text: label })));
    const head = make("div", { class: "head", "aria-hidden": "true" });
    const view = make("div", { class: "view" }, drawing, spectrogram, head);
    const keys = make("ul", { class: "keys" }, ...sound.curves.map((c) =>
      make("li", {}, make("span", { class: `key ${c.style}` }), c.meaning)));
    const audio = make("audio", { preload: "none", src: sound.src });
    const element = make("figure", { class: `panel ${role}`, "data-role": sound.role, "data-rms": sound.rms },
      make("figcaption", {}, button, facts), view, keys, audio);
    view.addEventListener("click", (event) => {
      const box = view.getBoundingClientRect();
      Player.makeCurrent(row);
      Player.select(row, index);
      Player.seek(row, (row.seconds * (event.clientX - box.left)) / box.width);
      if (!row.playing) Player.play(row);
    });
    return { element, key: letter.toLowerCase(), rms: sound.rms, audio, button, head };
  };

  const scoresOf = (entry) => {
    const methods = Object.keys(entry.scores).filter((method) => !HIDDEN.has(method));
    if (!methods.length) return make("p", { class: "note", text: "There is no target to score against: such a clip was never rendered." });
    const there = data.metrics.filter((metric) => methods.some((method) => metric.name in entry.scores[method]));
    // A topline is no conversion, and in a reconstruction a copy is the target.
    const running = methods.filter((method) => !isTopline(method) && (entry.kind !== "reconstruction" || !METHODS[method]));
    const best = new Map(there.map((metric) => {
      const values = running.map((method) => entry.scores[method][metric.name]).filter((value) => value !== undefined);
      return [metric.name, metric.higher ? Math.max(...values) : Math.min(...values)];
    }));
    const head = make("tr", {}, make("th", { scope: "col", text: "" }), ...there.map((metric) =>
      make("th", { scope: "col", text: metric.title + (metric.unit ? `, ${metric.unit}` : "") + (metric.higher ? " ↑" : " ↓") })));
    const lines = methods.map((method) => make("tr", { class: METHODS[method] || isTopline(method) ? `m-${method.split(" ")[0]}` : "m-estimate" },
      make("th", { scope: "row", text: named(method) }),
      ...there.map((metric) => {
        const value = entry.scores[method][metric.name];
        return make("td", { class: value === best.get(metric.name) && running.includes(method) ? "best" : null, text: value === undefined ? "–" : value.toFixed(metric.decimals) });
      })));
    const table = make("table", {}, make("caption", { class: "unseen", text: `Scores of row ${entry.id}` }), make("thead", {}, head), make("tbody", {}, ...lines));
    return make("div", { class: "row-scores", tabindex: "0", role: "region", "aria-label": `Scores of row ${entry.id}` }, table);
  };

  const rowOf = (entry) => {
    if (entry.row) return entry.row;
    const row = { seconds: entry.seconds, entry };
    row.panels = entry.sounds.map((sound, index) => panelOf(sound, index, row));
    row.toggle = make("button", { type: "button", class: "toggle", "aria-label": `Play or pause row ${entry.id}`, text: "Play" });
    row.slider = make("input", { type: "range", min: 0, max: entry.seconds, step: 0.001, value: 0, "aria-label": `Position in row ${entry.id}, seconds` });
    row.readout = make("output");
    const tag = (text) => make("span", { class: "split", text });
    row.element = make("section", { class: "row", id: `row-${entry.id}`, "data-kind": entry.kind, "data-split": entry.split, "aria-labelledby": `title-${entry.id}`, tabindex: "-1" },
      make("header", {},
        make("div", {},
          make("h3", { id: `title-${entry.id}` }, make("span", { class: "number", text: `${entry.id} ` }), entry.title),
          make("p", {}, `${entry.words} `, tag(entry.split.replace(/^test_/, "").replaceAll("_", " ")), ...entry.cases.map((name) => tag(name.replaceAll("_", " "))))),
        make("div", { class: "transport" }, row.toggle, row.slider, row.readout)),
      make("div", { class: "panels" }, ...row.panels.map((panel) => panel.element)),
      scoresOf(entry));
    Player.start(row);
    entry.row = row;
    return row;
  };

  let shown = [];   // entries that pass the filters, in order
  let drawn = 0;    // how many of them stand on the page

  const grow = (count = AT_ONCE) => {
    const next = shown.slice(drawn, drawn + count);
    holder.append(...next.map((entry) => rowOf(entry).element));
    drawn += next.length;
    more.hidden = drawn >= shown.length;
  };

  const value = (entry, metric, system) => entry.scores[system]?.[metric];
  const arrange = () => {
    Player.leave();
    const [kind, split, name, sort, system, order] = ["kind", "split", "case", "sort", "system", "order"].map((field) => options[field].value);
    const wanted = options.find.value.trim().toLowerCase();
    shown = data.rows.filter((entry) =>
      (!kind || entry.kind === kind) && (!split || entry.split === split) && (!name || entry.cases.includes(name)) &&
      (!wanted || `${entry.pair} ${entry.title} ${entry.sounds.map((s) => s.facts.join(" ")).join(" ")}`.toLowerCase().includes(wanted)));
    if (sort) {
      const up = metrics.get(sort).higher === (order === "worst");
      // Rows without that score come last either way.
      const rank = (entry) => value(entry, sort, system) ?? (up ? Infinity : -Infinity);
      shown.sort((a, b) => (up ? rank(a) - rank(b) : rank(b) - rank(a)) || a.id - b.id);
    }
    holder.replaceChildren();
    drawn = 0;
    grow();
    document.getElementById("shown").textContent = `${shown.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} rows`;
  };

  options.addEventListener("submit", (event) => event.preventDefault());
  options.addEventListener("change", (event) => {
    if (event.target.name === "loop" || event.target.name === "match") {
      Player.loop = options.loop.checked;
      Player.match = options.match.checked;
      shown.slice(0, drawn).forEach((entry) => Player.setLevels(rowOf(entry)));
    } else arrange();
  });
  options.find.addEventListener("input", arrange);
  new IntersectionObserver((seen) => { if (seen.some((entry) => entry.isIntersecting)) grow(); }, { rootMargin: "800px" }).observe(more);

  Player.keys(() => shown.slice(0, drawn).map(rowOf), (row) => { if (shown[drawn - 1] === row.entry) grow(); });
  arrange();
  document.documentElement.classList.add("ready");
})();
