"use strict";

// The page of `ragcli serve --open`. Text of documents only ever becomes text: nothing here reads markup.

const QUICK_MS = 110; // after a key, until the lists are asked
const CAREFUL_MS = 320; // after the last key, until the reranker is asked too: it reads for a second or two
const NARROW = matchMedia("(max-width: 62rem)");
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const PASSAGES = 10; // at first, and how many more each time
const GROUPS = 8; // colours on the map; the rest is one more
const CONTEXT = 12; // lines around a passage
const MOST_CONTEXT = 400;
const ALL = "*"; // in place of the name of an index, which never is this

const $ = (id) => document.getElementById(id);

/** Make an element: properties, then children; strings are text, and what is false or empty is left out. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

// Controls, bidi controls and characters that are drawn as nothing: shown as signs, as on the command line.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]/g;

function visible(text) {
  return text.replace(UNSEEN, (sign) => {
    const code = sign.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? "\u2421" : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Text with marks. Spans count characters, as Python does, and a character may be two units here. */
function marked(text, spans) {
  const characters = Array.from(text);
  const parts = [];
  let at = 0;
  for (const [start, end] of spans) {
    if (start < at || end > characters.length || start >= end) continue;
    parts.push(visible(characters.slice(at, start).join("")));
    parts.push(make("mark", {}, visible(characters.slice(start, end).join(""))));
    at = end;
  }
  parts.push(visible(characters.slice(at).join("")));
  return parts.filter((part) => part !== "");
}

const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const percent = (chance) => (chance < 0.01 ? "< 1 %" : `${Math.round(100 * chance)} %`);

function age(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= length) return `${count(Math.floor(seconds / length), unit)} ago`;
  }
  return "just now";
}

// -- asking the server ------------------------------------------------------------------------------------------------

const SESSION = "ragcli-session";

class Problem extends Error {
  constructor(status, fact, hint) {
    super(hint ? `${fact}. ${hint}` : fact);
    this.status = status;
  }
}

async function fetched(path, body, signal) {
  const headers = { Authorization: `Bearer ${localStorage.getItem(SESSION) || ""}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    const method = body === undefined ? "GET" : "POST";
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer", "Start it again: ragcli serve --open");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({ error: `status ${answer.status}`, hint: "" }));
  if (answer.status === 401) closeGate("The server does not know this browser (any more).");
  throw new Problem(answer.status, told.error, told.hint);
}

const asked = async (path, body, signal) => (await fetched(path, body, signal)).json();

/** Exchange the token in the address, which works once, for a session, which the address does not show. */
async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  try {
    localStorage.setItem(SESSION, (await asked("/page/session", { token })).session);
  } catch (error) {
    if (error.status !== 403 || !localStorage.getItem(SESSION)) throw error; // opened again where it was opened before
  }
}

function closeGate(text) {
  for (const id of ["start", "columns", "map", "left-out", "notes"]) $(id).hidden = true;
  $("search").inert = true;
  $("gate-text").textContent = text;
  $("gate").hidden = false;
  say("");
}

// -- state: what the address says ------------------------------------------------------------------------------------

const state = { q: "", index: "", path: "", types: [], after: "", before: "", all: false, k: PASSAGES, view: "search", hit: null };
let indexes = [];
let results = null; // the last answer, with .key: the question that it answers
let shown = null; // the record of the open passage

function readAddress() {
  const given = new URLSearchParams(location.search);
  state.q = given.get("q") || "";
  state.index = given.get("index") || state.index;
  state.path = given.get("path") || "";
  state.types = (given.get("type") || "").split(",").filter(Boolean);
  state.after = given.get("after") || "";
  state.before = given.get("before") || "";
  state.all = given.get("all") === "1";
  state.k = Math.min(1000, Number(/^\d{1,4}$/.exec(given.get("k"))?.[0]) || PASSAGES);
  state.view = ["map", "left-out"].includes(given.get("view")) ? given.get("view") : "search";
  state.hit = /^(?:.+:)?\d+$/.test(given.get("hit") || "") ? given.get("hit") : null;
}

function address(changed = {}) {
  const next = { ...state, ...changed };
  const given = new URLSearchParams();
  if (next.q) given.set("q", next.q);
  if (next.index) given.set("index", next.index);
  if (next.path) given.set("path", next.path);
  if (next.types.length) given.set("type", next.types.join(","));
  if (next.after) given.set("after", next.after);
  if (next.before) given.set("before", next.before);
  if (next.all) given.set("all", "1");
  if (next.k !== PASSAGES) given.set("k", next.k);
  if (next.view !== "search") given.set("view", next.view);
  if (next.hit !== null) given.set("hit", next.hit);
  return `/?${given}`;
}

let settled = true; // whether the next change is a new entry of the history; while one types, it is the same

function go(changed, { replace = false } = {}) {
  Object.assign(state, changed);
  const method = replace || !settled ? "replaceState" : "pushState";
  if (address() !== location.pathname + location.search) history[method](null, "", address());
  document.title = state.q ? `${state.q} – ragcli` : "ragcli";
}

function showState() {
  if ($("q").value !== state.q) $("q").value = state.q;
  $("index").value = state.index;
  $("path").value = state.path;
  $("after").value = state.after;
  $("before").value = state.before;
  $("all").checked = state.all;
  for (const box of $("types").querySelectorAll("input")) box.checked = state.types.includes(box.value);
  const used = [state.path, state.types.length, state.after, state.before, state.all].filter(Boolean).length;
  $("filter-count").textContent = used ? `(${used})` : "";
  if (used && document.readyState !== "complete" && !NARROW.matches) $("filters").open = true;
  for (const link of document.querySelectorAll("nav a")) {
    link.href = address({ view: link.dataset.view, hit: null });
    if (link.dataset.view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

/** What the chosen index holds, or all of them together. */
const index = () => (state.index === ALL ? together() : indexes.find((one) => one.name === state.index));
const chosen = () => (state.index === ALL ? indexes.map((one) => one.name) : [state.index]);

function together() {
  if (!indexes.length) return undefined;
  const sum = (name) => indexes.reduce((total, one) => total + one[name], 0);
  const sums = (name) => {
    const found = {};
    for (const one of indexes) for (const [key, files] of Object.entries(one[name])) found[key] = (found[key] || 0) + files;
    return found;
  };
  return {
    name: `All ${indexes.length} indexes`, roots: [...new Set(indexes.flatMap((one) => one.roots))], documents: sum("documents"),
    chunks: sum("chunks"), kinds: sums("kinds"), not_indexed: sums("not_indexed"),
    model: [...new Set(indexes.map((one) => one.model))].join(", "), age_seconds: Math.max(...indexes.map((one) => one.age_seconds)),
  };
}

/** What tells a passage from all others: its number, after the name of its index where several are searched. */
const keyOf = (hit) => (hit.index ? `${hit.index}:${hit.chunk}` : String(hit.chunk));
const homeOf = (key) => (key.includes(":") ? key.slice(0, key.lastIndexOf(":")) : state.index);
const chunkOf = (key) => key.slice(key.lastIndexOf(":") + 1);

/** A path as it is known in its index, by default the chosen one: below the folder that was indexed. */
function short(path, home = state.index) {
  const roots = (home === ALL ? index() : indexes.find((one) => one.name === home))?.roots || [];
  const root = roots.filter((one) => path.startsWith(`${one}/`)).sort((a, b) => b.length - a.length)[0];
  if (root === undefined) return path;
  const rest = path.slice(root.length + 1);
  return roots.length > 1 ? `${root.split("/").pop()}/${rest}` : rest;
}

// -- searching ---------------------------------------------------------------------------------------------------------

let quickTimer = 0;
let carefulTimer = 0;
let running = new AbortController();

const fields = () => ({
  query: state.q, index: state.index === ALL ? chosen() : state.index, path: state.path ? state.path.split(",").map((one) => one.trim()).filter(Boolean) : null,
  type: state.types.length ? state.types : null, after: state.after || null, before: state.before || null, all: state.all, k: state.k,
});

/** Ask twice: the lists answer in a tenth of a second, the reranker improves on them when the typing stops. */
function search({ wait = 0 } = {}) {
  clearTimeout(quickTimer);
  clearTimeout(carefulTimer);
  running.abort(); // what is on its way answers an older question
  running = new AbortController();
  const { signal } = running;
  if (!state.q.trim()) {
    results = null;
    say(indexes.length ? "" : "There is no index yet. Make one: ragcli index FOLDER");
    render();
    return;
  }
  const key = JSON.stringify(fields());
  if (results?.key === key && results.careful) {
    render();
    return;
  }
  const body = fields();
  quickTimer = setTimeout(() => answer(body, key, false, signal), wait);
  carefulTimer = setTimeout(() => read(body, key, signal), wait ? CAREFUL_MS : 0);
}

let reading = null; // the careful question that is on its way

/** Ask with the reranker, one question at a time: the server's other thread is left for quick answers. */
async function read(body, key, signal) {
  while (reading) await reading;
  if (signal.aborted) return;
  reading = answer(body, key, true, signal).finally(() => { reading = null; });
}

async function answer(body, key, careful, signal) {
  const started = performance.now();
  try {
    // the reranker cannot be stopped: until it is done, no other careful question should start
    const found = await asked("/v1/query", { ...body, rerank: careful }, careful ? undefined : signal);
    if (signal.aborted || (results?.key === key && results.careful)) return;
    results = { ...found, key, careful, seconds: (performance.now() - started) / 1000 };
    report();
    render();
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    if (error.status === 401) return; // the gate says it
    if (error.status === 503 && careful) {
      carefulTimer = setTimeout(() => read(body, key, signal), 1000);
      return;
    }
    results = null;
    say(error.message, true);
    render();
  }
}

function report() {
  const seconds = results.seconds < 0.095 ? results.seconds.toFixed(2) : results.seconds.toFixed(1);
  const found = results.hits.length ? count(results.hits.length, "passage") : "No passage";
  say(results.careful ? `${found} in ${seconds} s` : `${found} in ${seconds} s; reading them …`);
}

// -- the list ----------------------------------------------------------------------------------------------------------

const rows = new Map(); // key of a passage -> its element

function render() {
  if (!$("gate").hidden) return;
  const isSearch = state.view === "search";
  $("start").hidden = !isSearch || Boolean(state.q.trim()) || state.hit !== null || !index();
  $("columns").hidden = !isSearch || (!state.q.trim() && state.hit === null);
  $("map").hidden = state.view !== "map";
  $("left-out").hidden = state.view !== "left-out";
  $("list").hidden = !state.q.trim();
  showState();
  const notes = (results?.notes || []).map(noteRow);
  $("notes").replaceChildren(...notes);
  $("notes").hidden = !notes.length || state.view === "left-out";
  renderHits();
  renderDetail();
  if (state.view === "map") drawMap();
  if (state.view === "left-out") showLeftOut();
  if (!$("start").hidden) renderStart();
}

/** A note of the search. What the command line says with the name of an option is a button here. */
function noteRow(note) {
  const left = /^unlikely passages left out: (\d+)/.exec(note);
  if (!left) return make("li", {}, visible(note));
  return make("li", {}, `${count(Number(left[1]), "unlikely passage")} left out. `,
    make("button", { type: "button", class: "link", onclick: () => filter({ all: true }) }, "Show"));
}

function renderHits() {
  const list = $("hits");
  const before = new Map([...rows].map(([key, row]) => [key, row.getBoundingClientRect().top]));
  const focused = document.activeElement?.closest?.(".hit")?.dataset.key;
  rows.clear();
  if (results && !results.hits.length) {
    const more = state.all ? "" : make("button", { type: "button", onclick: () => filter({ all: true }) },
      "Show what does not seem to answer");
    const told = results.careful ? "Nothing here answers this." : "Nothing yet …";
    list.replaceChildren(make("li", { class: "nothing" }, make("p", {}, told), results.careful ? more : ""));
    return;
  }
  for (const hit of results?.hits || []) rows.set(keyOf(hit), hitRow(hit));
  const isMore = results?.careful && results.hits.length === state.k && state.k < 1000;
  list.replaceChildren(...rows.values(), ...(isMore ? [make("li", { class: "more-hits" },
    make("button", { type: "button", onclick: () => filter({ k: state.k + PASSAGES }) }, "More passages"))] : []));
  list.classList.toggle("first-look", Boolean(results) && !results.careful);
  if (rows.has(focused)) rows.get(focused).querySelector("a").focus({ preventScroll: true });
  glide(before);
}

/** Let rows that stay move to their new places, so that the eye can follow. */
function glide(before) {
  if (STILL.matches || !results?.careful) return;
  for (const [key, row] of rows) {
    const moved = before.has(key) ? before.get(key) - row.getBoundingClientRect().top : 0;
    if (moved) row.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], { duration: 180, easing: "ease-out" });
  }
}

const LISTS = {
  dense: ["meaning", "Meaning", "how near the passage lies to the question in the embedding model (cosine)"],
  keyword: ["words", "Words", "BM25 of the words of the question"],
  fused: ["both", "Both lists together", "the two lists as one, before reading"],
  rerank: ["reading", "Reading", "the reranker reads question and passage together (logit)"],
};

function place(record) {
  const page = record.page ?? record.pages?.start;
  return page ? `page ${page}` : `line ${record.line ?? record.lines.start}`;
}

function names(path, home) {
  const parts = visible(short(path, home)).split("/");
  return { file: parts.pop(), folder: parts.join("/") };
}

const FRESH = { changed: "changed since it was indexed", gone: "the file is gone" };

function hitRow(hit) {
  const { file, folder } = names(hit.path, hit.index);
  const key = keyOf(hit);
  const chance = hit.probability;
  const meter = make("div", { class: "chance" });
  if (chance !== null) {
    const fill = make("span", { class: "fill" });
    fill.style.transform = `scaleX(${Math.max(0.02, chance)})`;
    const track = make("span", { class: "track", "aria-hidden": "true" }, fill);
    meter.append(make("b", { title: "the estimated chance that the passage answers" }, percent(chance)), track);
  } else {
    meter.append(make("b", {}, `${hit.rank}.`));
  }
  const why = Object.entries(LISTS)
    .filter(([name]) => name !== "fused" && hit.parts[name]?.rank)
    .map(([name, [word]]) => make("span", {}, `${word} #${hit.parts[name].rank}`));
  const link = make("a", { href: address({ hit: key, view: "search" }), title: visible(hit.path) }, file);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    openHit(key);
  });
  link.addEventListener("focus", () => mark(key));
  const row = make("li", { class: `hit${state.hit === key ? " current" : ""}` }, meter, make("div", {},
    make("div", { class: "place" }, link, make("span", { class: "where" }, place(hit)),
      hit.index && make("span", { class: "folder" }, `in ${visible(hit.index)}`),
      folder && make("span", { class: "folder" }, folder),
      hit.fresh in FRESH && make("span", { class: "flag" }, FRESH[hit.fresh])),
    hit.headings.length && make("p", { class: "crumbs" }, visible(lastOf(hit.headings).join(" › "))),
    make("p", { class: "snippet", dir: "auto" }, ...marked(hit.snippet.text, hit.snippet.matches)),
    make("p", { class: "why" }, ...why)));
  row.dataset.key = key;
  return row;
}

/** The deepest headings, which say the most. */
const lastOf = (headings) => (headings.length > 2 ? ["…", ...headings.slice(-2)] : headings);

function mark(key) {
  for (const [one, row] of rows) row.classList.toggle("current", one === key);
  if (state.hit !== null && state.hit !== key && !NARROW.matches) openHit(key, { replace: true, focus: false });
}

function step(by) {
  const keys = [...rows.keys()];
  if (!keys.length) return;
  const focused = document.activeElement?.closest?.(".hit")?.dataset.key;
  const current = keys.indexOf(focused || state.hit);
  if (current + by < 0 || (current < 0 && by < 0)) {
    $("q").focus();
    return;
  }
  const row = rows.get(keys[Math.min(keys.length - 1, current + by)]);
  row.querySelector("a").focus({ preventScroll: true });
  const top = $("search").closest(".top").offsetHeight + 8;
  const box = row.getBoundingClientRect();
  if (box.top < top) scrollBy({ top: box.top - top });
  else if (box.bottom > innerHeight) scrollBy({ top: box.bottom - innerHeight + 8 });
}

// -- a passage in its document ----------------------------------------------------------------------------------------

let opening = new AbortController();
let openKey = "";

function openHit(key, { replace = false, focus = true } = {}) {
  settled = true;
  go({ hit: key, view: "search" }, { replace });
  render();
  if (focus) $("detail").focus({ preventScroll: true });
}

function closeHit() {
  const key = state.hit;
  settled = true;
  go({ hit: null });
  render();
  const row = rows.get(key);
  (row ? row.querySelector("a") : $("q")).focus({ preventScroll: true });
}

function renderDetail() {
  const open = state.hit !== null && state.view === "search";
  $("columns").classList.toggle("open", open && Boolean(state.q.trim()));
  $("detail").hidden = !open;
  for (const behind of [document.querySelector(".top"), $("list")]) behind.inert = open && NARROW.matches;
  for (const [one, row] of rows) row.classList.toggle("current", one === state.hit);
  if (!open) {
    opening.abort();
    openKey = "";
    shown = null;
    return;
  }
  const hit = results?.hits.find((one) => keyOf(one) === state.hit);
  const key = JSON.stringify([state.index, state.hit]);
  if (key === openKey) {
    if (hit) renderReasons(hit);
    return;
  }
  openKey = key;
  opening.abort();
  opening = new AbortController();
  loadDetail(hit, opening.signal);
}

async function loadDetail(hit, signal) {
  const body = $("detail-body");
  const home = homeOf(state.hit);
  try {
    const found = hit || (await asked("/v1/show", { index: home, ref: chunkOf(state.hit) }, signal));
    if (signal.aborted) return;
    const record = { ...found, index: home };
    shown = record;
    const { file, folder } = names(record.path, home);
    $("detail-title").textContent = `${file}, ${place(record)}`;
    const above = [state.index === ALL && home, folder, ...record.headings].filter(Boolean).map(visible).join(" › ");
    $("detail-place").textContent = above;
    $("detail-place").title = above; // two lines of it are shown
    const view = make("div", { class: "view" });
    body.replaceChildren(view, make("div", { class: "reasons-box" }));
    body.scrollTop = 0;
    if (hit) renderReasons(hit);
    if (record.pages && /\.pdf$/i.test(record.path)) await showPage(view, record, record.page ?? record.pages.start, signal);
    else await showText(view, record, CONTEXT, signal);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    body.replaceChildren(make("p", { class: "bad" }, error.message));
  }
}

let turn = null; // turns the page of the open PDF

async function showPage(view, record, page, signal) {
  const canvas = make("canvas", { role: "img" });
  const sheet = make("div", { class: "sheet waiting" }, canvas);
  const back = make("button", { type: "button", "aria-label": "Previous page", onclick: () => turn(-1) }, "←");
  const ahead = make("button", { type: "button", "aria-label": "Next page", onclick: () => turn(1) }, "→");
  const label = make("span", { role: "status" }, `Page ${page}`);
  const text = make("details", {}, make("summary", {}, "Text of the passage"));
  view.replaceChildren(make("div", { class: "pager" }, back, label, ahead), sheet, text);
  text.append(make("p", { class: "text", dir: "auto" }, ...passageParts(record)));
  let at = page;
  let pages = page;
  const draw = async () => {
    sheet.classList.add("waiting");
    const width = Math.round(Math.min(2400, Math.max(300, sheet.clientWidth * devicePixelRatio)));
    const given = new URLSearchParams({ index: record.index, ref: record.chunk, page: at, width });
    if (record.snippet) {
      given.set("start", record.snippet.start);
      given.set("end", record.snippet.end);
    }
    const answer = await fetched(`/v1/page?${given}`, undefined, signal);
    const about = JSON.parse(answer.headers.get("ragcli-page"));
    const image = await createImageBitmap(await answer.blob());
    if (signal.aborted || about.page !== at) return;
    pages = about.pages;
    [canvas.width, canvas.height] = about.size;
    canvas.getContext("2d").drawImage(image, 0, 0);
    const isMarked = about.top !== null;
    canvas.setAttribute("aria-label", `Page ${at} of ${record.path.split("/").pop()}${isMarked ? ", with the passage marked" : ""}`);
    canvas.dataset.page = at;
    label.textContent = `Page ${at} of ${pages}`;
    back.disabled = at <= 1;
    ahead.disabled = at >= pages;
    sheet.classList.remove("waiting");
    const body = $("detail-body");
    const top = isMarked ? sheet.offsetTop - body.offsetTop + (about.top / about.size[1]) * sheet.clientHeight : 0;
    body.scrollTo({ top: Math.max(0, top - body.clientHeight / 3) });
  };
  turn = (by) => {
    if (at + by < 1 || at + by > pages) return;
    at += by;
    draw().catch((error) => failed(error));
  };
  const failed = async (error) => {
    if (error.name === "AbortError" || signal.aborted) return;
    turn = null;
    view.replaceChildren(make("p", { class: "bad" }, error.message));
    await showText(view, record, CONTEXT, signal, true);
  };
  await draw().catch(failed);
}

/** The text of a passage with its best sentence marked, in three parts or one. */
function passageParts(record) {
  const { snippet, span, text } = record;
  return marked(text, snippet ? [[snippet.start - span.start, snippet.end - span.start]] : []);
}

const CODE = /\.(?:py|js|ts|tsx|jsx|c|h|cc|cpp|hpp|rs|go|java|kt|rb|sh|sql|json|ya?ml|toml|ini|css|xml|csv|tsv)$/i;

async function showText(view, record, context, signal, keep = false) {
  const answer = await asked("/v1/show", { index: record.index, ref: String(record.chunk), context }, signal);
  if (signal.aborted) return;
  turn = null;
  const whole = answer.context.text;
  const at = whole.indexOf(record.text);
  const text = make("div", { class: `text${CODE.test(record.path) ? " code" : ""}`, dir: "auto" });
  if (at < 0) {
    text.append(visible(whole));
  } else {
    text.append(
      make("span", { class: "around" }, visible(whole.slice(0, at))),
      make("span", { class: "passage" }, ...passageParts(record)),
      make("span", { class: "around" }, visible(whole.slice(at + record.text.length))));
  }
  const wider = Math.min(MOST_CONTEXT, context * 3);
  const more = make("button", { class: "more", type: "button", disabled: context >= MOST_CONTEXT,
    onclick: () => showText(view, record, wider, signal).catch((error) => signal.aborted || say(error.message, true)) },
    "More of the document");
  const first = view.querySelector(".text") === null;
  view.replaceChildren(...(keep ? [...view.children] : []), text, more);
  if (first) {
    const body = $("detail-body");
    const passage = text.querySelector("mark") || text.querySelector(".passage");
    if (passage) body.scrollTo({ top: Math.max(0, passage.offsetTop - body.offsetTop - body.clientHeight / 3) });
  }
}

function renderReasons(hit) {
  const box = $("detail-body").querySelector(".reasons-box");
  if (!box) return;
  const lines = Object.entries(LISTS).filter(([name]) => hit.parts[name]).map(([name, [, title, about]]) => {
    const part = hit.parts[name];
    return make("tr", {}, make("th", { scope: "row" }, title, make("span", { class: "about" }, about)),
      make("td", {}, part.rank === null ? "not in it" : `#${part.rank}`),
      make("td", {}, part.score === null ? "–" : part.score.toFixed(2)));
  });
  const chance = hit.probability === null ? "" : make("p", {},
    `The estimated chance that this passage answers is ${percent(hit.probability)}. The order is that of the chances.`);
  const others = [...hit.copies, ...hit.alike.map((one) => one.path)];
  box.replaceChildren(make("h3", {}, "Why it stands here"), chance,
    make("table", { class: "reasons" },
      make("thead", {}, make("tr", {}, ...["List", "Place", "Score"].map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, ...lines)),
    ...(others.length ? [make("h3", {}, "The same, or almost, in"),
      make("ul", { class: "also" }, ...others.map((path) => make("li", {}, visible(short(path)))))] : []));
}

// -- the start --------------------------------------------------------------------------------------------------------

function renderStart() {
  const one = index();
  $("start-title").textContent = `${one.name}: ${count(one.chunks, "passage")} of ${count(one.documents, "document")}`;
  $("start-text").textContent = one.chunks ? "Write a question above. The passages come as you type."
    : "There is nothing in this index yet. Fill it with: ragcli index FOLDER";
  const left = Object.values(one.not_indexed).reduce((sum, files) => sum + files, 0);
  const facts = [["Folders", one.roots.map(visible).join(", ") || "none"], ["Brought up to date", age(one.age_seconds)],
    ["Not indexed", left ? make("a", { href: address({ view: "left-out" }), onclick: follow }, count(left, "file")) : "nothing"],
    ["Model", one.model]];
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const kinds = Object.entries(one.kinds).sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...kinds.map(([, files]) => files));
  $("kinds-title").hidden = !kinds.length;
  $("kinds").replaceChildren(...kinds.map(([kind, files]) => {
    const fill = make("span", { class: "fill" });
    fill.style.transform = `scaleX(${files / most})`;
    return make("li", {}, make("span", {}, kind), make("span", { class: "track" }, fill), make("span", {}, files.toLocaleString("en")));
  }));
}

// -- the map ------------------------------------------------------------------------------------------------------------

const maps = new Map(); // name of an index -> its map
let lit = []; // [chunk, x, y] of the hits
let dots = []; // where each passage is drawn: {x, y, chunk, document}

const COLOURS = {
  light: ["#2f6690", "#b5651d", "#4f7942", "#8e4585", "#a63d40", "#3f8f8b", "#7d6b2f", "#5d5fa8", "#8a8578"],
  dark: ["#7fb4dd", "#e0a060", "#93c47d", "#c98bc2", "#e58b86", "#77c7c2", "#cdb96a", "#a3a5e8", "#8d897f"],
};

async function loadMap() {
  const known = maps.get(state.index);
  if (known && known.commits === index()?.commits) return known;
  const found = await asked("/v1/map", { index: state.index });
  found.groups = grouped(found);
  maps.set(state.index, found);
  return found;
}

/** Which group each document is in: its folder, or its kind where there is one folder, or itself where there is one kind. */
function grouped(found) {
  const paths = found.documents.map(short);
  const folders = paths.map((path) => path.split("/").slice(0, -1));
  let depth = 0;
  while (depth < 6 && new Set(folders.map((parts) => parts.slice(0, depth + 1).join("/"))).size === 1 && folders[0]?.length > depth) depth += 1;
  const choices = [
    folders.map((parts) => parts.slice(0, depth + 1).join("/") || "(top)"),
    paths.map((path) => (path.includes(".") ? path.split(".").pop().toLowerCase() : "other")),
    paths.map((path) => path.split("/").pop()),
  ];
  const labels = choices.find((given) => new Set(given).size > 1) || choices[0];
  const sizes = new Map();
  for (const point of found.points) sizes.set(labels[point[3]], (sizes.get(labels[point[3]]) || 0) + 1);
  const order = [...sizes].sort((a, b) => b[1] - a[1]).map(([label]) => label);
  const top = order.slice(0, order.length > GROUPS ? GROUPS : undefined);
  const list = [...top, ...(order.length > top.length ? ["others"] : [])];
  return { list, of: labels.map((label) => (top.includes(label) ? top.indexOf(label) : list.length - 1)) };
}

async function drawMap() {
  const asking = state.index;
  document.querySelector(".map-columns").hidden = asking === ALL;
  if (asking === ALL) {
    $("map-text").textContent = "A map shows one index: choose one above.";
    return;
  }
  try {
    const found = await loadMap();
    const chunks = (results?.hits || []).map((hit) => hit.chunk);
    lit = chunks.length ? (await asked("/v1/map", { index: asking, chunks })).points : [];
    if (state.view === "map" && state.index === asking) paint(found);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
}

function paint(found) {
  const sampled = found.points.length < found.passages ? `${found.points.length.toLocaleString("en")} of ` : "";
  const about = found.points.length
    ? `Each point is a passage, ${sampled}${found.passages.toLocaleString("en")} in all. Passages that mean alike lie near each other, as far as two directions can show it: these two hold ${percent(found.variance)} of all differences.`
    : "There is no map: the index is empty, or its vectors are in a server.";
  const places = new Map(lit.map(([chunk, x, y]) => [chunk, [x, y]]));
  const ranked = (results?.hits || []).filter((hit) => places.has(hit.chunk));
  $("map-text").textContent = ranked.length ? `${about} The numbers are the hits.` : `${about} Ask something, and the hits light up.`;
  renderGroups(found, ranked);
  const canvas = $("canvas");
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  const all = [...found.points.map(([, x, y]) => [x, y]), ...places.values()];
  if (!all.length) return;
  const [xs, ys] = [0, 1].map((axis) => all.map((point) => point[axis]).sort((a, b) => a - b));
  const scale = (values, size, value, pad = 26) => pad + ((value - values[0]) / (values[values.length - 1] - values[0] || 1)) * (size - 2 * pad);
  const at = ([x, y]) => [scale(xs, width, x), height - scale(ys, height, y)];
  const style = getComputedStyle(document.documentElement);
  const [ink, sheet, highlight] = ["--ink", "--sheet", "--mark"].map((name) => style.getPropertyValue(name).trim());
  const colours = colourSet();
  const radius = Math.max(1.6, Math.min(4, 120 / Math.sqrt(found.points.length)));
  dots = found.points.map(([chunk, x, y, document]) => {
    const [left, top] = at([x, y]);
    return { x: left, y: top, chunk, document: found.documents[document], group: found.groups.of[document] };
  });
  pen.globalAlpha = ranked.length ? 0.38 : 0.65;
  for (const dot of dots) {
    pen.fillStyle = colours[Math.min(dot.group, colours.length - 1)];
    pen.beginPath();
    pen.arc(dot.x, dot.y, radius, 0, 7);
    pen.fill();
  }
  pen.globalAlpha = 1;
  pen.font = `600 11px ${style.getPropertyValue("--sans")}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const hit of [...ranked].reverse()) { // the best last, on top
    const [x, y] = at(places.get(hit.chunk));
    pen.beginPath();
    pen.arc(x, y, 9.5, 0, 7);
    pen.fillStyle = highlight;
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = ink;
    pen.stroke();
    pen.fillStyle = ink;
    pen.fillText(String(hit.rank), x, y + 0.5);
    dots.push({ x, y, chunk: hit.chunk, document: hit.path, rank: hit.rank });
  }
  canvas.style.background = sheet;
}

const colourSet = () => COLOURS[matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"];

function renderGroups(found, ranked) {
  const { list, of } = found.groups;
  const passages = list.map(() => 0);
  const hits = list.map(() => []);
  for (const point of found.points) passages[of[point[3]]] += 1;
  for (const hit of ranked) hits[of[found.documents.indexOf(hit.path)]]?.push(hit);
  const colours = colourSet();
  $("groups").replaceChildren(...list.map((label, number) => {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colours[Math.min(number, colours.length - 1)];
    return make("tr", {}, make("th", { scope: "row" }, swatch, visible(label)),
      make("td", {}, passages[number].toLocaleString("en")),
      make("td", {}, ...hits[number].flatMap((hit, at) => [at ? " " : "",
        make("a", { href: address({ view: "search", hit: keyOf(hit) }), onclick: follow, "aria-label": `hit ${hit.rank}` }, `#${hit.rank}`)])));
  }));
}

function nearest(event) {
  const box = $("canvas").getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  let best = null;
  let least = 14 ** 2;
  for (const dot of dots) {
    const away = (dot.x - x) ** 2 + (dot.y - y) ** 2 - (dot.rank ? 80 : 0);
    if (away <= least) [best, least] = [dot, away];
  }
  return best;
}

function hover(event) {
  const dot = nearest(event);
  const tip = $("tip");
  tip.hidden = dot === null;
  $("canvas").style.cursor = dot ? "pointer" : "";
  if (dot === null) return;
  tip.textContent = `${dot.rank ? `#${dot.rank} ` : ""}${visible(short(dot.document))}`;
  tip.style.left = `${Math.max(0, Math.min(dot.x + 14, $("canvas").clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(0, dot.y - tip.offsetHeight - 8)}px`;
}

// -- what is not indexed --------------------------------------------------------------------------------------------

let leftOutOf = "";

async function showLeftOut() {
  if (leftOutOf === state.index || !state.index) return;
  leftOutOf = state.index;
  try {
    const answers = await Promise.all(chosen().map((name) => asked(`/v1/not-indexed?${new URLSearchParams({ index: name })}`)));
    const found = { not_indexed: answers.flatMap((one) => one.not_indexed), more: answers.reduce((sum, one) => sum + one.more, 0) };
    const reasons = new Map();
    for (const one of found.not_indexed) reasons.set(one.reason, [...(reasons.get(one.reason) || []), one]);
    const files = (list) => list.reduce((sum, one) => sum + one.files, 0);
    const order = [...reasons].sort((a, b) => b[1][0].failed - a[1][0].failed || files(b[1]) - files(a[1]));
    const total = files(found.not_indexed);
    const failed = files(found.not_indexed.filter((one) => one.failed));
    $("left-out-text").textContent = total
      ? `${count(total, "file")} below the folders of ${state.index === ALL ? "all indexes" : state.index}, ${failed ? `${failed.toLocaleString("en")} of them because reading failed.` : "each on purpose."}${found.more ? ` ${found.more.toLocaleString("en")} more are not shown: ragcli list --not-indexed` : ""}`
      : "Everything below the indexed folders is in the index.";
    $("reasons").replaceChildren(...order.map(([reason, list]) => make("details", { open: list[0].failed },
      make("summary", {}, make("b", { class: list[0].failed ? "bad" : "" }, reason), make("span", {}, count(files(list), "file"))),
      make("ul", {}, ...list.map((one) => make("li", { title: visible(one.path) }, visible(short(one.path)) + (one.files > 1 ? "/" : ""),
        make("span", {}, [one.files > 1 && count(one.files, "file"), visible(one.detail)].filter(Boolean).join("; "))))))));
  } catch (error) {
    leftOutOf = "";
    say(error.message, true);
  }
}

// -- events -----------------------------------------------------------------------------------------------------------

function follow(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  settled = true;
  history.pushState(null, "", event.currentTarget.href);
  restore();
}

function typed() {
  go({ q: $("q").value, k: PASSAGES, hit: null }, { replace: !settled });
  settled = false;
  search({ wait: QUICK_MS });
  showState();
}

function filter(changed) {
  settled = true;
  go({ ...changed, hit: null });
  showState();
  search();
}

function choose() {
  settled = true;
  go({ index: $("index").value, types: [], path: "", hit: null });
  results = null;
  fillTypes();
  render();
  search();
}

function fillTypes() {
  const kinds = Object.keys(index()?.kinds || {});
  $("types").closest("fieldset").hidden = kinds.length < 2;
  $("types").replaceChildren(...kinds.map((kind) => make("label", {}, make("input", { type: "checkbox", value: kind,
    onchange: () => filter({ types: [...$("types").querySelectorAll(":checked")].map((box) => box.value) }) }), kind)));
}

function restore() {
  readAddress();
  if (!index() && indexes.length) state.index = indexes[0].name;
  fillTypes();
  document.title = state.q ? `${state.q} – ragcli` : "ragcli";
  if (results && results.key !== JSON.stringify(fields())) results = null;
  render();
  search();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const { target, key } = event;
  const inQuestion = target === $("q");
  const isTyping = target.matches("input:not([type=checkbox]), select, textarea");
  if (key === "Escape") {
    if (state.hit !== null && state.view === "search" && !inQuestion) closeHit();
    else if (inQuestion && state.hit === null) target.blur();
    else if (inQuestion) closeHit();
    else return;
  } else if (inQuestion && key === "Enter") {
    settled = true;
    search();
    if (rows.size) openHit(rows.keys().next().value);
  } else if (inQuestion && key === "ArrowDown") step(1);
  else if (isTyping) return;
  else if (key === "/") {
    $("q").focus();
    $("q").select();
  } else if (key === "?") $("help").showModal();
  else if (state.view === "search" && (key === "j" || key === "ArrowDown") && !target.closest("#detail")) step(1);
  else if (state.view === "search" && (key === "k" || key === "ArrowUp") && !target.closest("#detail")) step(-1);
  else if (state.view === "search" && (key === "j" || key === "k")) step(key === "j" ? 1 : -1);
  else if ((key === "ArrowLeft" || key === "ArrowRight") && state.hit !== null && turn) turn(key === "ArrowLeft" ? -1 : 1);
  else if ({ s: 1, m: 1, n: 1 }[key]) document.querySelector(`nav a[data-view="${{ s: "search", m: "map", n: "left-out" }[key]}"]`).click();
  else return;
  event.preventDefault();
}

function listen() {
  $("search").addEventListener("submit", (event) => event.preventDefault());
  $("q").addEventListener("input", typed);
  $("q").addEventListener("blur", () => { settled = true; });
  let pathTimer = 0;
  $("path").addEventListener("input", () => {
    clearTimeout(pathTimer);
    pathTimer = setTimeout(() => filter({ path: $("path").value.trim() }), 400);
  });
  $("after").addEventListener("change", () => filter({ after: $("after").value }));
  $("before").addEventListener("change", () => filter({ before: $("before").value }));
  $("all").addEventListener("change", () => filter({ all: $("all").checked }));
  $("clear").addEventListener("click", () => filter({ path: "", types: [], after: "", before: "", all: false }));
  $("index").addEventListener("change", choose);
  for (const link of document.querySelectorAll("nav a, .brand")) link.addEventListener("click", follow);
  $("help-open").addEventListener("click", () => $("help").showModal());
  $("help-close").addEventListener("click", () => $("help").close());
  $("close").addEventListener("click", closeHit);
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(shown.path).then(() => say("Copied the path."), () => say(shown.path));
  });
  $("canvas").addEventListener("mousemove", hover);
  $("canvas").addEventListener("mouseleave", () => { $("tip").hidden = true; });
  $("canvas").addEventListener("click", (event) => {
    const dot = nearest(event);
    if (dot) openHit(String(dot.chunk));
  });
  document.addEventListener("keydown", press);
  addEventListener("popstate", restore);
  const measure = () => document.documentElement.style.setProperty("--top", `${document.querySelector(".top").offsetHeight}px`);
  new ResizeObserver(measure).observe(document.querySelector(".top"));
  const repaint = () => { if (state.view === "map" && maps.has(state.index)) paint(maps.get(state.index)); };
  new ResizeObserver(repaint).observe($("canvas"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

async function start() {
  listen();
  readAddress();
  try {
    await enter();
    const found = await asked("/v1/indexes");
    indexes = found.indexes.filter((one) => !one.error);
    $("index").replaceChildren(...found.indexes.map((one) => make("option",
      { value: one.name, disabled: Boolean(one.error), title: one.error || "" }, visible(one.name))));
    if (indexes.length > 1) $("index").append(make("option", { value: ALL }, "all indexes"));
    state.index = index() && (state.index !== ALL || indexes.length > 1) ? state.index : indexes.some((one) => one.name === found.default) ? found.default : indexes[0]?.name || "";
    history.replaceState(null, "", address());
    restore();
    if (!NARROW.matches && state.hit === null) $("q").focus();
  } catch (error) {
    if (error.status === 403) closeGate(`${error.message.split(".")[0]}. A link works once.`);
    else if (error.status !== 401) say(error.message, true);
  }
}

start();
