"use strict";
const $ = (id) => document.getElementById(id);
const state = { frame: null, classes: new Map(), held: false, changes: -1 };
const WORDS = { starting: "Waiting for the first frame", live: "Live", away: "Away", over: "The video is over" };

function color(found) { return state.classes.get(found.class)?.color ?? "#0a84ff"; }

function fail(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

async function ask(path, options = {}) {
  const headers = $("token").value ? { Authorization: `Bearer ${$("token").value}` } : {};
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) $("token-label").hidden = false;
  if (!answer.ok) {
    const content = await answer.json().catch(() => ({}));
    throw new Error(content.error || `The service says ${answer.status}.`);
  }
  return answer;
}

function later(milliseconds) { return new Promise((done) => setTimeout(done, milliseconds)); }

async function watch() {
  let after = 0, known = "";
  for (;;) {
    try {
      const answer = await (await ask(`v1/live?after=${after}&state=${known}`)).json();
      known = answer.state;
      fail(answer.trouble || (known === "live" ? "" : answer.reason));
      if (answer.frame) {
        after = answer.frame.number;
        if (!state.held) await show(answer.frame);
      }
      const frame = state.frame;
      $("status").textContent = WORDS[known] + (known === "live" && frame
        ? `: ${frame.width} × ${frame.height} pixels, ${frame.milliseconds} ms` : "");
      if (answer.changes !== state.changes) await list(answer.changes);
      if (known === "over") return;
    } catch (error) {
      $("status").textContent = "";
      fail(error instanceof TypeError ? "The service does not answer." : error.message);
      await later(1000);
    }
  }
}

async function show(frame) {
  const picture = new Image();
  picture.src = `data:image/jpeg;base64,${frame.picture}`;
  await picture.decode();
  state.frame = frame;
  drawBoxes($("canvas"), picture, frame.detections, color);
  $("canvas").hidden = false;
  $("keep").disabled = $("hold").disabled = false;
  $("found").replaceChildren(...frame.detections.map((found) =>
    line(found.class, `${Math.round(found.score * 100)}%`, color(found))));
}

function line(name, score, shade) {
  const item = document.createElement("li");
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = shade;
  const value = document.createElement("span");
  value.className = "score";
  value.textContent = score;
  item.append(swatch, name, value);
  return item;
}

function duration(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

function row(cells, current) {
  const made = document.createElement("tr");
  made.classList.toggle("current", current);
  for (const text of cells) made.insertCell().textContent = text;
  return made;
}

async function list(changes) {
  const log = await (await ask("v1/sightings")).json();
  state.changes = changes;
  $("sightings").replaceChildren(...log.sightings.map((each) => row([each.class,
    new Date(each.began).toLocaleString(), each.now ? `${duration(each.seconds)}, now`
      : duration(each.seconds), `${Math.round(each.best * 100)}%`, each.most], each.now)));
  $("actions").replaceChildren(...log.actions.map((each) => {
    const item = document.createElement("li");
    item.textContent = `${new Date(each.time).toLocaleTimeString()} ${each.class}: ${each.outcome}`;
    item.title = each.action;
    return item;
  }));
}

async function keep() {
  try {
    const answer = await (await ask(`v1/keep?frame=${state.frame.number}`, { method: "POST" })).json();
    $("kept").textContent = `Kept as ${answer.file}, with ${answer.boxes} `
      + `box${answer.boxes === 1 ? "" : "es"} to correct.`;
    $("kept").hidden = false;
  } catch (error) {
    fail(error.message);
  }
}

async function download() {
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await (await ask("v1/sightings.csv")).blob());
    link.download = "sightings.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    fail(error.message);
  }
}

function hold() {
  state.held = !state.held;
  $("hold").setAttribute("aria-pressed", state.held);
  $("hold").textContent = state.held ? "Go on" : "Hold";
}

async function begin() {
  const model = await (await ask("v1/model")).json();
  $("name").textContent = document.title = model.name;
  for (const each of model.classes) state.classes.set(each.name, each);
  $("rules").hidden = !model.rules.length;
  $("rules").querySelector("ul").replaceChildren(...model.rules.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  await watch();
}

$("keep").addEventListener("click", keep);
$("hold").addEventListener("click", hold);
$("csv").addEventListener("click", download);
begin().catch(() => fail("The service does not answer."));
