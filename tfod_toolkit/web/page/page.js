"use strict";
// One call finds everything above 5 %; the threshold and the classes choose from it here.
const LEAST = 0.05;
const $ = (id) => document.getElementById(id);
const state = { picture: null, detections: [], classes: new Map(), stream: null, call: 0 };

function say(text) { $("status").textContent = text; }

function fail(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
  if (text) say("");
}

async function begin() {
  const model = await (await fetch("v1/model")).json();
  $("name").textContent = document.title = model.name;
  $("threshold").value = Math.round(model.min_confidence * 100);
  for (const each of model.classes) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", show);
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = each.color;
    const label = document.createElement("label");
    label.append(box, swatch, each.name);
    const item = document.createElement("li");
    item.append(label);
    $("classes").append(item);
    state.classes.set(each.id, { ...each, box });
  }
  say("Ready");
  percent();
}

function percent() { $("percent").textContent = `${$("threshold").value}%`; }

function asked() {
  return state.detections.filter((found) => state.classes.get(found.class_id)?.box.checked ?? true);
}

function chosen() {
  const least = Number($("threshold").value) / 100;
  return asked().filter((found) => found.score >= least);
}

function sayNothing() {
  const [best] = asked().sort((one, other) => other.score - one.score);
  $("nothing").textContent = best
    ? `Nothing is that sure. The surest is ${best.class}, ${Math.round(best.score * 100)}%.`
    : "Nothing of these classes was found.";
}

async function look(blob) {
  const call = ++state.call;
  stopCamera();
  fail("");
  say("Looking…");
  try {
    const picture = await createImageBitmap(blob, { imageOrientation: "from-image" });
    const headers = { "Content-Type": blob.type || "application/octet-stream" };
    if ($("token").value) headers.Authorization = `Bearer ${$("token").value}`;
    const answer = await fetch(`v1/detect?min_confidence=${LEAST}`,
      { method: "POST", body: blob, headers });
    const content = await answer.json();
    if (call !== state.call) return;  // another picture was given meanwhile
    if (answer.status === 401) $("token-label").hidden = false;
    if (!answer.ok) throw new Error(content.error || `The service says ${answer.status}.`);
    state.picture = picture;
    state.detections = content.detections;
    $("drop").hidden = true;
    $("canvas").hidden = $("again").hidden = false;
    $("download").disabled = false;
    say(`${content.width} × ${content.height} pixels, ${content.milliseconds} ms`);
    show();
  } catch (error) {
    if (call !== state.call) return;
    fail(error instanceof DOMException ? `${blob.name || "This"} is not a picture that can be shown.`
      : error instanceof TypeError ? "The service does not answer." : error.message);
  }
}

function show() {
  if (!state.picture) return;
  const kept = chosen();
  draw(kept);
  sayNothing();
  $("nothing").hidden = kept.length > 0;
  $("found").replaceChildren(...kept.map((found) => {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = color(found);
    const score = document.createElement("span");
    score.className = "score";
    score.textContent = `${Math.round(found.score * 100)}%`;
    item.append(swatch, found.class, score);
    return item;
  }));
}

function color(found) { return state.classes.get(found.class_id)?.color ?? "#0a84ff"; }

function draw(kept) { drawBoxes($("canvas"), state.picture, kept, color); }

function another() {
  state.call++;
  state.picture = null;
  state.detections = [];
  stopCamera();
  fail("");
  $("canvas").hidden = $("again").hidden = true;
  $("download").disabled = true;
  $("drop").hidden = false;
  $("file").value = "";
  $("found").replaceChildren();
  $("nothing").hidden = true;
  say("Ready");
}

async function startCamera() {
  fail("");
  try {
    if (!navigator.mediaDevices) throw new Error("Cameras need https or localhost.");
    state.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    $("video").srcObject = state.stream;
    await $("video").play();
    $("drop").hidden = true;
    $("video").hidden = $("shoot").hidden = $("again").hidden = false;
    say("Camera");
  } catch (error) {
    fail(`The camera cannot be used: ${error.message}`);
  }
}

function stopCamera() {
  for (const track of state.stream?.getTracks() ?? []) track.stop();
  state.stream = null;
  $("video").hidden = $("shoot").hidden = true;
}

function shoot() {
  const video = $("video");
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob(look, "image/jpeg", 0.95);
}

function download() {
  $("canvas").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "detections.png";
    link.click();
    URL.revokeObjectURL(link.href);
  }, "image/png");
}

$("file").addEventListener("change", () => { if ($("file").files[0]) look($("file").files[0]); });
$("threshold").addEventListener("input", () => { percent(); show(); });
$("camera").addEventListener("click", startCamera);
$("shoot").addEventListener("click", shoot);
$("again").addEventListener("click", another);
$("download").addEventListener("click", download);
document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const item = [...event.clipboardData.items].find((each) => each.type.startsWith("image/"));
  if (item) look(item.getAsFile());
});
begin().catch(() => fail("The service does not answer."));
