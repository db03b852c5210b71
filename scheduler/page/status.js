"use strict";
/* Draws the page from /status.json. What comes from there is only ever put into text nodes. */
(() => {
  const EVERY_MS = 2000;
  const PATIENCE_MS = 8000;
  const $ = (id) => document.getElementById(id);

  /* ---- making ---- */
  function el(tag, options, ...children) {
    const node = document.createElement(tag);
    const { class: name, ...others } = options || {};
    if (name) node.className = name;
    for (const [key, value] of Object.entries(others)) node.setAttribute(key, value);
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  }
  function svg(tag, options) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(options)) node.setAttribute(key, value);
    return node;
  }
  const drawn = new Map();
  /* Only what has changed is drawn again, and nothing that somebody is marking. */
  function draw(id, data, make) {
    const text = JSON.stringify(data);
    const place = $(id);
    const marked = document.getSelection();
    if (drawn.get(id) === text || (marked && !marked.isCollapsed && place.contains(marked.anchorNode))) return;
    drawn.set(id, text);
    place.replaceChildren(...[].concat(make(data)));
  }

  /* ---- words ---- */
  const whole = new Intl.NumberFormat("en");
  const count = (n) => whole.format(n);
  function span(ms) {
    const s = Math.max(0, Math.round(ms / 1000));
    if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
    if (s < 120) return `${s} s`;
    if (s < 7200) return `${Math.round(s / 60)} min`;
    if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
    return `${Math.round(s / 86400)} days`;
  }
  function seconds(s) {
    if (s < 0) return "–";
    if (s < 0.0995) return `${Math.round(s * 1000)} ms`;
    return s < 10 ? `${s.toPrecision(2)} s` : span(s * 1000);
  }
  const rate = (n) => (n >= 10 || n === 0 ? count(Math.round(n)) : String(Number(n.toFixed(n < 1 ? 2 : 1))));
  /* How long ago, kept right from tick to tick without drawing again. */
  let now = 0;
  const age = (at) => el("time", { "data-at": at, datetime: new Date(at).toISOString(), title: new Date(at).toLocaleString() }, span(now - at));
  function tick() {
    for (const time of document.querySelectorAll("time[data-at]")) {
      const text = span(now - Number(time.dataset.at));
      if (time.textContent !== text) time.textContent = text;
    }
  }
  const nothing = (text) => el("p", { class: "none" }, text);

  /* ---- tables ---- */
  /* columns: {head, cell(row), n: a number, wide: not on a phone, row: names the row} */
  function table(caption, columns, rows) {
    const names = (c) => [c.n ? "n" : "", c.wide ? "wide" : "", c.row ? "name" : ""].join(" ").trim();
    const head = el("tr", {}, ...columns.map((c) => el("th", { scope: "col", class: names(c) }, c.head)));
    const body = rows.map((row) => el("tr", {}, ...columns.map((c) =>
      c.row ? el("th", { scope: "row", class: names(c) }, c.cell(row)) : el("td", { class: names(c) }, c.cell(row)))));
    return el("table", { "aria-label": caption }, el("thead", {}, head), el("tbody", {}, ...body));
  }
  const bdi = (text, name) => el("bdi", { class: name || "" }, text);

  /* ---- the head ---- */
  const moods = { working: "good", paused: "warn", draining: "warn", stopping: "warn", starting: "warn" };
  function head(s) {
    document.title = `${s.state === "working" ? "" : `${s.state}: `}${s.pool} · sluice`;
    draw("who", [s.pool, s.name], () => [bdi(s.pool), " · ", bdi(s.name)]);
    const state = $("state");
    if (state.textContent !== s.state) state.textContent = s.state;
    state.className = `pill ${moods[s.state] || ""}`;
    const stale = s.poll_age_ms < 0 || s.poll_age_ms > 2 * s.poll_interval_ms;
    const leaves = s.state === "draining" || s.state === "stopping";
    $("facts").replaceChildren(
      el("b", { class: s.engine_ok ? "good" : "bad" }, s.engine_ok ? "engine reached" : `engine out of reach for ${span(s.engine_away_ms)}`),
      el("b", { class: s.prefect_ok ? "good" : "bad" }, s.prefect_ok ? "Prefect reached" : "Prefect out of reach"),
      el("b", { class: leaves ? "" : stale ? "warn" : "good" }, leaves ? "polls no more" : s.poll_age_ms < 0 ? "not polled yet" : `polled ${span(s.poll_age_ms)} ago`),
      el("b", {}, `up ${span(s.uptime_ms)}`),
      el("b", {}, `version ${s.version}`));
  }
  function tiles(s) {
    const a = s.all;
    const steps = s.series.starts.slice(-6);
    const perMinute = steps.reduce((sum, n) => sum + n, 0) * 6 / Math.max(1, steps.length);
    const late = a.oldest_due_ms ? s.now_ms - a.oldest_due_ms : 0;
    const tile = (name, value, more, mood) =>
      el("div", {}, el("dd", { class: mood || "" }, value, more ? el("small", {}, ` ${more}`) : null), el("dt", {}, name));
    $("tiles").replaceChildren(
      tile("due, unclaimed", count(a.due), a.queued > a.due ? `+ ${count(a.queued - a.due)} later` : ""),
      tile("on their way", count(a.waiting)),
      tile("running", count(a.running), a.slots_limit ? `of ${count(a.slots_limit)} slots` : ""),
      tile("starts a minute", rate(perMinute), a.starts_per_second ? `of ${rate(a.starts_per_second * 60)}` : ""),
      tile("longest due", late > 0 ? span(late) : "–", "", late > 600000 ? "warn" : ""),
      tile("parked", count(a.parked), "", a.parked ? "warn" : ""));
  }

  /* ---- charts ---- */
  const W = 360;
  const H = 60;
  const SLOTS = 360;
  function path(values, top) {
    const at = (i) => (((SLOTS - values.length + i + 0.5) * W) / SLOTS).toFixed(1);
    return values.map((v, i) => `${i ? "L" : "M"}${at(i)} ${(H - (v * H) / top).toFixed(1)}`).join("");
  }
  function chart(title, unit, values, limits) {
    const last = values.length ? values[values.length - 1] : 0;
    const limit = limits && limits.length ? limits[limits.length - 1] : 0;
    const most = Math.max(0, ...values);
    const top = Math.max(1, most, ...(limits || [])) * 1.05;
    const words = `${rate(last)}${limit ? ` of ${rate(limit)}` : ""}${unit}`;
    const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `${title}: now ${words}, at most ${rate(most)}${unit} in the last hour` });
    picture.append(svg("line", { class: "ground", x1: 0, x2: W, y1: H, y2: H }));
    if (values.length) {
      const line = path(values, top);
      const left = (((SLOTS - values.length + 0.5) * W) / SLOTS).toFixed(1);
      picture.append(svg("path", { class: "area", d: `${line}L${((SLOTS - 0.5) * W / SLOTS).toFixed(1)} ${H}L${left} ${H}Z` }), svg("path", { class: "now", d: line }));
      if (limit) picture.append(svg("path", { class: "limit", d: path(limits, top) }));
    }
    return el("figure", {}, el("figcaption", {}, el("span", {}, title), el("b", {}, words)), picture,
      el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, "1 h ago"),
        limit ? el("span", { class: "key" }, "limit") : el("span", {}, `most: ${rate(most)}${unit}`), el("span", {}, "now")));
  }
  function charts(series) {
    const each = (values) => values.map((n) => n / series.step_s);
    return [
      chart("Containers started", "/s", each(series.starts)),
      chart("Creates in flight", "", series.create, series.create_limit),
      chart("Starts in flight", "", series.start, series.start_limit),
      chart("Pulls in flight", "", series.pull, series.pull_limit),
      chart("Due, unclaimed", "", series.due),
      chart("Running", "", series.running),
    ];
  }

  /* ---- classes, stages, limits ---- */
  function reasons(c) {
    if (!c.reasons.length) return el("span", { class: "soft" }, "nothing waits");
    return el("ul", {}, ...c.reasons.map((r) => el("li", {}, `${count(r.count)} `, el("span", { class: "soft" }, "for "), bdi(r.why))));
  }
  const classes = (rows) => table("Queue by class", [
    { head: "class", row: true, cell: (c) => bdi(c.name) },
    { head: "due", n: true, cell: (c) => count(c.due) },
    { head: "on way", n: true, cell: (c) => count(c.waiting) },
    { head: "running", n: true, cell: (c) => (c.slots_limit ? `${count(c.running)} / ${count(c.slots_limit)}` : count(c.running)) },
    { head: "waits for", cell: reasons },
    { head: "longest due", n: true, wide: true, cell: (c) => (c.oldest_due_ms ? age(c.oldest_due_ms) : "–") },
    { head: "starts/s, tokens", n: true, wide: true, cell: (c) => (c.starts_per_second ? `${rate(c.starts_per_second)}, ${rate(Math.max(0, c.tokens))}` : "–") },
    { head: "started", n: true, wide: true, cell: (c) => count(c.starts || 0) },
    { head: "timeouts", n: true, wide: true, cell: (c) => count(c.timeouts || 0) },
    { head: "retries", n: true, wide: true, cell: (c) => count(c.retries || 0) },
  ], rows);

  function bar(s) {
    if (!(s.timeout_s > 0) || s.p99_s < 0) return el("span", { class: "soft" }, "–");
    const share = s.p99_s / s.timeout_s;
    const node = el("div", { class: `bar ${share > 0.8 ? "bad" : share > 0.5 ? "warn" : ""}`, role: "img",
      "aria-label": `${Math.round(share * 100)} % of the timeout are used at the 99th percentile` });
    for (const part of [share, s.p50_s / s.timeout_s]) {
      const piece = el("i");
      piece.style.width = `${Math.min(100, Math.max(1, part * 100)).toFixed(1)}%`;
      node.append(piece);
    }
    return node;
  }
  const stages = (rows) => rows.length ? table("Stages", [
    { head: "stage", row: true, cell: (s) => s.name },
    { head: "p50", n: true, cell: (s) => seconds(s.p50_s) },
    { head: "p99", n: true, cell: (s) => seconds(s.p99_s) },
    { head: "share of timeout", cell: bar },
    { head: "timeout", n: true, cell: (s) => (s.timeout_s > 0 ? el("span", { title: s.timeout_from }, seconds(s.timeout_s)) : "none") },
    { head: "calls", n: true, wide: true, cell: (s) => count(s.calls) },
    { head: "timed out", n: true, cell: (s) => el("span", { class: s.timeouts ? "bad" : "soft" }, count(s.timeouts)) },
    { head: "errors", n: true, wide: true, cell: (s) => el("span", { class: s.errors ? "warn" : "soft" }, count(s.errors)) },
  ], rows) : nothing("No call has been made since the start.");

  function limits(data) {
    const rows = [];
    const add = (what, use, limit, mood, note) => rows.push({ what, use, limit, mood, note });
    add("running", count(data.all.slots), data.all.slots_limit ? count(data.all.slots_limit) : "none");
    if (data.all.starts_per_second) add("starts a second", `${rate(Math.max(0, data.all.tokens))} tokens`, rate(data.all.starts_per_second));
    for (const s of data.slots) add(`${s.name} in flight`, count(s.in_use), s.limit ? count(s.limit) : "none", "", s.is_learned ? "learned" : "");
    for (const b of data.breakers)
      add(`breaker: ${b.name}`, el("span", { class: b.is_open ? "bad" : "good" }, b.is_open ? "open" : "closed"), "", "", `${count(b.retries_left)} retries left`);
    return table("Limits and breakers", [
      { head: "what", row: true, cell: (r) => bdi(r.what) },
      { head: "in use", n: true, cell: (r) => r.use },
      { head: "limit", n: true, cell: (r) => r.limit },
      { head: "", cell: (r) => el("span", { class: "soft" }, r.note || "") },
    ], rows);
  }

  /* ---- troubles ---- */
  const meanings = {
    transient: "may pass by itself", throttled: "asked to slow down", capacity: "the host is short of something", conflict: "somebody else holds it",
    gone: "it isn't there any more", auth: "refused for who we are", permanent: "fails until somebody changes something",
    unknown_outcome: "the answer was lost: it is looked at before anything is repeated",
  };
  const setting = (t) => (t.clock === "total" ? t.stage : `${t.stage}_${t.clock}`);
  function trouble(t) {
    const what = t.clock
      ? `timed out after ${span(t.took_ms)} (${setting(t)} = ${span(t.timeout_ms)}, ${t.timeout_from})`
      : `failed after ${span(t.took_ms)}`;
    return el("li", {},
      el("p", {}, el("b", { class: t.clock ? "bad" : "warn" }, t.stage), ` ${what}, try ${count(t.attempt)}, `, age(t.at_ms), " ago"),
      t.name || t.run ? el("p", {}, bdi(t.name, "name"), " ", el("span", { class: "soft" }, "of class "), bdi(t.class), " ", el("span", { class: "mono wide" }, t.run)) : null,
      el("p", { class: "soft" }, `${t.meaning.replace("_", " ")}: ${meanings[t.meaning] || ""}. `, bdi(t.error)));
  }
  const troubles = (list) => list.length
    ? el("ul", { tabindex: "0", "aria-label": "The last timeouts and errors, the newest first" }, ...list.map(trouble))
    : nothing("None since the start.");

  /* ---- runs ---- */
  const word = (state) => state.toLowerCase().replace("_", " ");
  const run = { head: "run", row: true, cell: (r) => el("div", {}, bdi(r.name || "(no name)"), el("div", { class: "mono wide" }, r.id)) };
  const klass = { head: "class", cell: (r) => bdi(r.class) };
  const deployment = { head: "deployment", wide: true, cell: (r) => bdi(r.deployment) };
  const waiting = (rows) => rows.length ? table("Waiting runs", [
    run, klass, deployment,
    { head: "state", cell: (r) => word(r.state) },
    { head: "waits for", cell: (r) => el("div", {}, bdi(r.waits_for), r.error && r.tries ? el("div", { class: "soft wide" }, bdi(r.error)) : null) },
    { head: "tries", n: true, wide: true, cell: (r) => (r.tries ? count(r.tries) : "") },
    { head: "due since", n: true, cell: (r) => age(r.due_ms) },
  ], rows) : nothing("Nothing waits.");
  const running = (rows) => rows.length ? table("Running runs", [
    run, klass, deployment,
    { head: "state", cell: (r) => word(r.state) },
    { head: "for", n: true, cell: (r) => age(r.since_ms) },
  ], rows) : nothing("Nothing runs.");
  const parked = (rows) => rows.length ? table("Parked runs", [
    run, klass, deployment,
    { head: "why", cell: (r) => bdi(r.error) },
    { head: "for", n: true, cell: (r) => age(r.since_ms) },
  ], rows) : nothing("Nothing is parked.");
  function shown(id, rows, all) {
    $(id).querySelector("small").textContent = rows.length < all ? `${count(rows.length)} of ${count(all)} shown` : all ? count(all) : "";
  }

  function alerts(list) {
    $("alerts").hidden = !list.length;
    draw("alerts-list", list, () => list.map((a) => el("li", { class: a.severity === "page" ? "bad" : "warn" },
      el("p", {}, el("b", {}, a.name), ` (${a.severity}) for `, age(a.since_ms), ": ", bdi(a.summary), " ", bdi(a.reason)),
      el("p", { class: "soft" }, bdi(a.what_to_do)))));
  }

  function show(s) {
    now = s.now_ms;
    head(s);
    alerts(s.alerts || []);
    tiles(s);
    draw("charts", s.series, charts);
    draw("classes", s.classes, classes);
    draw("stages", s.stages, stages);
    draw("limits", { all: s.all, slots: s.slots, breakers: s.breakers }, limits);
    draw("troubles", s.troubles, troubles);
    $("parked-s").hidden = !s.all.parked;
    draw("parked", s.runs.parked, parked);
    draw("waiting", s.runs.waiting, waiting);
    draw("running", s.runs.running, running);
    shown("parked-h", s.runs.parked, s.all.parked);
    shown("waiting-h", s.runs.waiting, s.all.queued + s.all.waiting);
    shown("running-h", s.runs.running, s.all.running);
    tick();
    document.querySelector("main").hidden = false;
  }

  /* ---- asking ---- */
  let answered = Date.now();
  let timer = 0;
  function silence(why) {
    document.body.classList.add("stale");
    $("silence").hidden = false;
    $("silence").textContent = `sluice does not answer (${why}). What is shown is ${span(Date.now() - answered)} old.`;
  }
  async function ask() {
    clearTimeout(timer);
    const abort = new AbortController();
    const patience = setTimeout(() => abort.abort(), PATIENCE_MS);
    try {
      const answer = await fetch("/status.json", { cache: "no-store", signal: abort.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      show(await answer.json());
      answered = Date.now();
      document.body.classList.remove("stale");
      $("silence").hidden = true;
    } catch (error) {
      silence(error.name === "AbortError" ? `nothing came within ${span(PATIENCE_MS)}` : error.message);
    } finally {
      clearTimeout(patience);
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, EVERY_MS);
  }
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) ask();
  });
  ask();
})();
