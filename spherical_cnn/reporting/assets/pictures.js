// Draws the shape and maps on the sphere by three.js. One renderer draws all pictures, one after
// the other, and copies each to a canvas of its own, since browsers allow a dozen renderers only.

const SCHEMES = {
  cividis: ["#00224e", "#083370", "#35456c", "#4f576c", "#666970", "#7d7c78", "#948e77", "#aea371",
    "#c8b866", "#e5cf52", "#fee838"],
  PuOr: ["#7f3b08", "#b25706", "#e08214", "#fcb761", "#fee0b6", "#f6f6f7", "#d8daeb", "#b1aad1",
    "#8073ac", "#532687", "#2d004b"],
};
const LIGHT = Math.PI; // light of this strength shows a surface in its own color
const MOST_WITH_EDGES = 20000; // faces of a mesh whose edges are drawn
const HALF = 1.14; // of the side of a picture, in radii of the shape

// Linear red, green and blue of the 256 levels of a color scheme.
function colorTable(scheme) {
  const anchors = SCHEMES[scheme].map((hex) =>
    [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255));
  const table = new Float32Array(3 * 256);
  for (let level = 0; level < 256; level++) {
    const place = (level / 255) * (anchors.length - 1);
    const index = Math.min(Math.floor(place), anchors.length - 2);
    for (let i = 0; i < 3; i++) {
      const [low, high] = [anchors[index][i], anchors[index + 1][i]];
      const value = low + (place - index) * (high - low);
      table[3 * level + i] = value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    }
  }
  return table;
}

function shapeObject(facts, array, dark) {
  const geometry = new THREE.BufferGeometry();
  const positions = Float32Array.from(array(facts.vertices), (value) => value / 32767);
  geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
  if (!facts.faces) {
    const size = Math.max(1.6, Math.min(4, 180 / Math.sqrt(positions.length / 3)));
    const material = {
      color: dark ? 0xc3cad4 : 0x3d4b60,
      size: window.devicePixelRatio * size,
      sizeAttenuation: false,
    };
    return new THREE.Points(geometry, new THREE.PointsMaterial(material));
  }
  geometry.setIndex(new THREE.BufferAttribute(array(facts.faces), 1));
  const material = new THREE.MeshLambertMaterial({
    color: dark ? 0xb9c2cf : 0xb4bfce, flatShading: true, side: THREE.DoubleSide,
    polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1,
  });
  const mesh = new THREE.Mesh(geometry, material);
  if (facts.faces.count <= 3 * MOST_WITH_EDGES) {
    const edges = new THREE.EdgesGeometry(geometry, 35);
    const color = dark ? 0x14171b : 0x39424f;
    const line = new THREE.LineBasicMaterial({ color, transparent: true, opacity: 0.55 });
    mesh.add(new THREE.LineSegments(edges, line));
  }
  return mesh;
}

// A sphere of unit radius; all maps share it.
const SPHERE = new THREE.SphereGeometry(1, 144, 72);
SPHERE.rotateX(Math.PI / 2); // its poles are on the z axis

// For each vertex of the sphere: its four neighbors among the samples of a grid, and their weights.
// Row 0 is the north pole, the last row the south pole.
function neighbors({ colatitude, longitude }) {
  const rows = [0, ...colatitude, Math.PI];
  const columns = longitude.length;
  const { array, count } = SPHERE.attributes.position;
  const [places, weights] = [new Uint32Array(4 * count), new Float32Array(4 * count)];
  for (let vertex = 0; vertex < count; vertex++) {
    const [x, y, z] = array.subarray(3 * vertex, 3 * vertex + 3);
    const theta = Math.acos(Math.max(-1, Math.min(1, z)));
    let row = rows.findIndex((other) => other > theta) - 1;
    if (row < 0) row = rows.length - 2;
    const down = (theta - rows[row]) / (rows[row + 1] - rows[row]);
    const turn = (Math.atan2(y, x) - longitude[0]) / (2 * Math.PI);
    const place = (turn - Math.floor(turn)) * columns;
    const [west, east] = [Math.floor(place) % columns, (Math.floor(place) + 1) % columns];
    const [across, above, below] = [place - Math.floor(place), row * columns, (row + 1) * columns];
    places.set([above + west, above + east, below + west, below + east], 4 * vertex);
    const [north, south] = [[(1 - down) * (1 - across), (1 - down) * across],
      [down * (1 - across), down * across]];
    weights.set([...north, ...south], 4 * vertex);
  }
  return { places, weights };
}

// A map on the sphere; `setStep` gives it the colors of a rotation, interpolated.
function mapObject(facts, array) {
  const geometry = new THREE.BufferGeometry();
  ["position", "normal"].forEach((name) => geometry.setAttribute(name, SPHERE.attributes[name]));
  geometry.setIndex(SPHERE.index);
  const count = SPHERE.attributes.position.count;
  const colors = new THREE.BufferAttribute(new Float32Array(3 * count), 3);
  geometry.setAttribute("color", colors);
  const mesh = new THREE.Mesh(geometry, new THREE.MeshLambertMaterial({ vertexColors: true }));
  const [table, levels, { places, weights }] =
    [colorTable(facts.scheme), array(facts.levels), neighbors(facts)];
  const columns = facts.longitude.length;
  const size = columns * facts.colatitude.length;
  const padded = new Float32Array(size + 2 * columns);
  const mean = (row) => row.reduce((a, b) => a + b) / columns;
  mesh.userData.setStep = (step) => {
    const map = levels.subarray(step * size, (step + 1) * size);
    padded.set(map, columns);
    // A pole has the mean of the row beside it.
    padded.fill(mean(map.subarray(0, columns)), 0, columns);
    padded.fill(mean(map.subarray(size - columns)), columns + size);
    for (let vertex = 0; vertex < count; vertex++) {
      let level = 0;
      for (let i = 4 * vertex; i < 4 * vertex + 4; i++) level += weights[i] * padded[places[i]];
      const start = 3 * Math.round(level);
      for (let i = 0; i < 3; i++) colors.array[3 * vertex + i] = table[start + i];
    }
    colors.needsUpdate = true;
  };
  return mesh;
}

// The axis of rotation. Its material is that of the maps, since each further one delays the start.
function axisRod(axis, color) {
  const rod = new THREE.CylinderGeometry(0.008, 0.008, 2.24, 8);
  const { r, g, b } = new THREE.Color(color).multiplyScalar(1.6); // which shading dims
  const colors = Float32Array.from(rod.attributes.position.array, (_, i) => [r, g, b][i % 3]);
  rod.setAttribute("color", new THREE.BufferAttribute(colors, 3));
  const mesh = new THREE.Mesh(rod, new THREE.MeshLambertMaterial({ vertexColors: true }));
  mesh.quaternion.setFromUnitVectors(new THREE.Vector3(0, 1, 0), axis);
  return mesh;
}

// All pictures of the page: `add` objects with their canvases, then `draw` them for a rotation.
class Pictures {
  constructor(axis, steps, accent) {
    this.axis = new THREE.Vector3(...axis);
    this.steps = steps;
    this.renderer = new THREE.WebGLRenderer({ alpha: true, antialias: true });
    this.renderer.debug.checkShaderErrors = false; // which waits for each of them
    this.scene = new THREE.Scene();
    this.camera = new THREE.OrthographicCamera(-HALF, HALF, HALF, -HALF, 0.1, 10);
    this.camera.up.set(0, 0, 1);
    const lamp = new THREE.DirectionalLight(0xffffff, 0.75 * LIGHT);
    lamp.position.set(-1.5, 2, 4);
    this.camera.add(lamp, lamp.target);
    lamp.target.position.set(0, 0, -1);
    this.scene.add(new THREE.AmbientLight(0xffffff, 0.5 * LIGHT), this.camera);
    this.scene.add(axisRod(this.axis, accent));
    this.view = { azimuth: 35, elevation: 20 }; // of the viewpoint, degrees
    this.state = { step: 0, undo: false };
    this.all = [];
  }

  add(canvas, object, rotates) {
    const group = new THREE.Group();
    group.add(object);
    group.visible = false;
    this.scene.add(group);
    this.all.push({ canvas, object, group, rotates, context: canvas.getContext("2d") });
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      last = event;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", () => { last = null; });
    canvas.addEventListener("pointercancel", () => { last = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.view.azimuth -= 0.5 * (event.clientX - last.clientX);
      const elevation = this.view.elevation + 0.5 * (event.clientY - last.clientY);
      this.view.elevation = Math.max(-89, Math.min(89, elevation));
      last = event;
      this.draw();
    });
  }

  draw(state = this.state) {
    this.state = state;
    const [azimuth, elevation] = [this.view.azimuth, this.view.elevation]
      .map((degrees) => degrees * Math.PI / 180);
    this.camera.position.set(Math.cos(azimuth) * Math.cos(elevation),
      Math.sin(azimuth) * Math.cos(elevation), Math.sin(elevation)).multiplyScalar(5);
    this.camera.lookAt(0, 0, 0);
    const rotation = new THREE.Quaternion();
    rotation.setFromAxisAngle(this.axis, 2 * Math.PI * state.step / this.steps);
    const back = state.undo ? rotation.clone().invert() : new THREE.Quaternion();
    const side = Math.max(...this.all.map(({ canvas }) => this.pixels(canvas)));
    if (this.side !== side) this.renderer.setSize(side, side, false);
    this.side = side;
    for (const { canvas, object, group, rotates, context } of this.all) {
      const size = this.pixels(canvas);
      if (canvas.width !== size) canvas.width = canvas.height = size;
      if (object.userData.setStep && object.userData.step !== state.step) {
        object.userData.setStep(state.step);
        object.userData.step = state.step;
      }
      group.quaternion.copy(back);
      if (rotates) group.quaternion.multiply(rotation);
      group.visible = true;
      this.renderer.setViewport(0, 0, size, size);
      this.renderer.render(this.scene, this.camera);
      group.visible = false;
      context.clearRect(0, 0, size, size);
      context.drawImage(this.renderer.domElement, 0, side - size, size, size, 0, 0, size, size);
    }
  }

  // Side of a canvas in pixels of the screen.
  pixels(canvas) {
    return Math.max(1, Math.round(canvas.clientWidth * window.devicePixelRatio));
  }
}
