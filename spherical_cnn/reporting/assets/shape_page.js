// Fills the page with the facts that Python wrote, and updates it when the slider moves.

const TYPES = { int16: Int16Array, uint8: Uint8Array, uint32: Uint32Array, float32: Float32Array };
const SHOWN = 5; // classes of a network; the others are summed
const facts = JSON.parse(document.getElementById("facts").textContent);
const bytes = Uint8Array.from(atob(document.getElementById("arrays").textContent),
  (character) => character.charCodeAt(0));
const array = ({ at, type, count }) => new TYPES[type](bytes.buffer, at, count);
const byId = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share < 0.0005 || share > 0.0995 ? 0 : 1)} %`;
const decimal = (value) => Number(value.toPrecision(2)).toString().replace("-", "\u2212");

function element(parent, name, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  parent.append(made);
  return made;
}

function svg(parent, name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.textContent = text;
  parent.append(made);
  return made;
}

function figure(parent, title, text) {
  const made = element(parent, "figure");
  const canvas = element(made, "canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  const caption = element(made, "figcaption");
  element(caption, "b", { textContent: title });
  if (text) caption.append(element(caption, "br"), text);
  return canvas;
}

function addMap(parent, map) {
  const canvas = figure(parent, map.title, map.about);
  const scale = element(canvas.parentElement, "div", { className: "scale" });
  element(scale, "span", { textContent: decimal(map.low) });
  const colors = SCHEMES[map.scheme].join(", ");
  element(scale, "i").style.background = `linear-gradient(to right, ${colors})`;
  element(scale, "span", { textContent: decimal(map.high) });
  pictures.add(canvas, mapObject(map, array), false);
}

// The probabilities of the classes to show, a list over the rotations for each; then all others.
function shownClasses(answer) {
  const all = array(answer.probabilities);
  const [count, steps] = [answer.classes.length, facts.steps];
  const of = (label) => Array.from({ length: steps }, (_, step) => all[step * count + label]);
  const mean = (values) => values.reduce((a, b) => a + b) / values.length;
  const found = answer.classes.map((name, label) => ({ name, values: of(label) }));
  found.sort((a, b) => mean(b.values) - mean(a.values));
  const shown = found.slice(0, SHOWN);
  shown.forEach((one, index) => { one.color = `var(--c${index})`; });
  if (count > SHOWN) {
    const values = shown[0].values.map((_, step) =>
      Math.max(0, 1 - shown.reduce((sum, one) => sum + one.values[step], 0)));
    shown.push({ name: `${count - SHOWN} others`, values, color: "var(--rest)" });
  }
  const winners = Array.from({ length: steps }, (_, step) =>
    found.reduce((best, one) => (one.values[step] > best.values[step] ? one : best)));
  return { shown, winners };
}

function describeTurn(winners) {
  const counts = new Map();
  winners.forEach(({ name }) => counts.set(name, (counts.get(name) || 0) + 1));
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  if (sorted.length === 1) {
    const values = winners[0].values;
    const [low, high] = [Math.min(...values), Math.max(...values)].map(percent);
    const range = low === high ? low : `${low.slice(0, -2)}–${high}`;
    return `The same class in all ${facts.steps} rotations; probability ${range}.`;
  }
  const list = sorted.map(([name, count]) => `${name} in ${count}`).join(", ");
  return `${sorted.length} classes in ${facts.steps} rotations: ${list}.`;
}

// Curves of the probabilities over the angle; returns the line that marks the present one.
function drawCurves(parent, shown) {
  const [width, height, left, bottom] = [330, 165, 40, 22];
  const chart = svg(parent, "svg", { viewBox: `0 0 ${width} ${height + bottom}`, role: "img",
    "aria-label": "Probability of each class over the angle of rotation" });
  const x = (step) => left + (width - left - 6) * step / facts.steps;
  const y = (share) => 6 + (height - 6) * (1 - share);
  [0, 0.5, 1].forEach((share) => {
    svg(chart, "line", { class: "grid", x1: left, x2: width - 6, y1: y(share), y2: y(share) });
    svg(chart, "text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${100 * share} %`);
  });
  [0, 90, 180, 270, 360].forEach((degrees) => {
    const place = { x: x(facts.steps * degrees / 360), y: height + 17, "text-anchor": "middle" };
    svg(chart, "text", place, `${degrees}°`);
  });
  [...shown].reverse().forEach(({ values, color }) => {
    const points = [...values, values[0]].map((value, step) => `${x(step)},${y(value)}`);
    svg(chart, "polyline", { class: "curve", points: points.join(" "), style: `stroke:${color}` });
  });
  const line = svg(chart, "line", { class: "now", y1: 0, y2: height });
  return (step) => ["x1", "x2"].forEach((name) => line.setAttribute(name, x(step)));
}

// Adds what a network says; returns the function that updates it for a rotation.
function addAnswer(parent, answer) {
  const article = element(parent, "article");
  element(article, "h2", { textContent: answer.name });
  element(article, "p", { className: "about", textContent: answer.about });
  const { shown, winners } = shownClasses(answer);
  const verdict = element(article, "p", { className: "verdict" });
  const winner = element(verdict, "b");
  element(verdict, "br");
  element(verdict, "span", { textContent: describeTurn(winners) });
  const numbers = element(article, "div", { className: "numbers" });
  const bars = element(numbers, "div");
  element(bars, "p", { textContent: "Probabilities in this rotation" });
  const rows = shown.map(({ name, values, color }) => {
    const row = element(bars, "div", { className: "bar" });
    element(row, "span", { textContent: name, title: name });
    const bar = element(element(row, "div"), "i");
    bar.style.background = color;
    return { values, bar, output: element(row, "output") };
  });
  const curves = element(numbers, "div");
  element(curves, "p", { textContent: "Probabilities over one turn" });
  const mark = drawCurves(curves, shown);
  if (answer.maps.length) {
    const maps = element(article, "div", { className: "pictures" });
    answer.maps.forEach((map) => addMap(maps, map));
  }
  return (step) => {
    winner.textContent = `${winners[step].name}, ${percent(winners[step].values[step])}`;
    rows.forEach(({ values, bar, output }) => {
      bar.style.width = `${100 * values[step]}%`;
      output.textContent = percent(values[step]);
    });
    mark(step);
  };
}

function openPictures() {
  try {
    return new Pictures(facts.axis, facts.steps, getComputedStyle(document.body)
      .getPropertyValue("--accent").trim());
  } catch (error) {
    const text = `This browser cannot draw in 3-D (${error.message}), so the pictures are missing.`;
    byId("about").after(Object.assign(document.createElement("p"),
      { className: "note", textContent: text }));
    return { add() {}, draw() {} };
  }
}

const pictures = openPictures();
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const number = facts.answers.length;
const networks = ["", "a trained network makes", "two trained networks make"][number]
  ?? `${number} trained networks make`;
byId("about").textContent = `A 3-D shape and its signal on the sphere${
  number ? `, and what ${networks} of it` : ""}.`;
document.body.classList.toggle("alone", number === 0);
const size = facts.shape.faces ? "Mesh" : "Point cloud";
pictures.add(figure(byId("input"), "Shape", `${size}: ${facts.shape.about}`),
  shapeObject(facts.shape, array, dark), true);
facts.signal.forEach((map) => addMap(byId("input"), map));
const updates = facts.answers.map((answer) => addAnswer(byId("answers"), answer));
const guide = [
  "Drag a picture to look from another side.",
  "The slider rotates the shape about the line through its center;",
  "the signal is computed from the rotated shape.",
];
if (number) {
  guide.push(
    "The spheres of a network are feature maps, named by layer;",
    "of each layer it is the channel with the largest variance.",
    "Tick “Rotate the pictures back” to see each picture in the frame of the shape:",
    "maps of an equivariant layer then stand still.",
  );
}
byId("guide").textContent = guide.join(" ");

const slider = byId("angle");
slider.max = facts.steps - 1;
function update() {
  const step = Number(slider.value);
  byId("degrees").textContent = `${Math.round(360 * step / facts.steps)}°`;
  updates.forEach((one) => one(step));
  pictures.draw({ step, undo: byId("undo").checked });
}
let timer = null;
byId("play").addEventListener("click", () => {
  const playing = timer === null;
  byId("play").textContent = playing ? "\u275a\u275a" : "\u25b6";
  byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  if (!playing) {
    clearInterval(timer);
    timer = null;
    return;
  }
  timer = setInterval(() => {
    slider.value = (Number(slider.value) + 1) % facts.steps;
    update();
  }, 4000 / facts.steps);
});
slider.addEventListener("input", update);
byId("undo").addEventListener("input", update);
window.addEventListener("resize", () => pictures.draw());
update();
document.documentElement.dataset.ready = Math.round(performance.now()); // milliseconds
