// What the page of `scnn show` uses of three.js (https://threejs.org, MIT). To make three.min.js:
//   npm install three@0.187.0 esbuild@0.28.2
//   npx esbuild three.entry.js --bundle --minify --format=iife --global-name=THREE \
//     --legal-comments=inline --outfile=three.min.js
export {
  AmbientLight, BufferAttribute, BufferGeometry, Color, CylinderGeometry, DirectionalLight,
  DoubleSide, EdgesGeometry, Group, LineBasicMaterial, LineSegments, Mesh, MeshLambertMaterial,
  OrthographicCamera, Points, PointsMaterial, Quaternion, Scene, SphereGeometry, Vector3,
  WebGLRenderer,
} from "three";
