/**
 * WGSL of a matrix product, any transposes, with the inner axis cut into ranges whose sums are added afterwards
 * (row_sums.ts). One shader serves all shapes: rows and columns are reached through strides.
 *
 * A workgroup owns 32×32 results, an invocation 2×2 of them; both factors pass through workgroup memory in
 * slabs 16 deep. Sums are nested (slab, range, tree of ranges), in a fixed order.
 */
import { makeShader, repeat } from "./shader.ts";

/** Side of the square of results a workgroup owns. */
export const TILE = 32;

/** Inner extent of a slab. */
export const DEPTH = 16;

const SIDE = TILE / 2;

/** Results of one range of the inner axis, `partial[range][row][column]`. */
export function matrixProduct() {
  return makeShader({
    label: "matrix product",
    fields: {
      rows: "u32",
      columns: "u32",
      inner: "u32",
      innerPerRange: "u32",
      ranges: "u32",
      /** Steps in values: of a along rows and the inner axis, of b along the inner axis and columns. */
      aRow: "u32",
      aInner: "u32",
      bInner: "u32",
      bColumn: "u32",
    },
    workgroupSize: SIDE * SIDE,
    buffers: { a: ["f32", "read"], b: ["f32", "read"], partial: ["f32", "write"] },
    declarations: `
var<workgroup> left: array<f32, ${TILE * DEPTH}>;
var<workgroup> right: array<f32, ${TILE * DEPTH}>;`,
    body: () => `
  let tilesAcross = (u.columns + ${TILE - 1}u) / ${TILE}u;
  let tilesDown = (u.rows + ${TILE - 1}u) / ${TILE}u;
  let range = block / (tilesAcross * tilesDown);
  if (range >= u.ranges) { return; }
  let firstRow = (block / tilesAcross) % tilesDown * ${TILE}u;
  let firstColumn = block % tilesAcross * ${TILE}u;
  let y = lane / ${SIDE}u;
  let x = lane % ${SIDE}u;
  var total = vec4<f32>();
  let end = min(u.inner, (range + 1u) * u.innerPerRange);
  for (var start = range * u.innerPerRange; start < end; start += ${DEPTH}u) {
    for (var i = lane; i < ${TILE * DEPTH}u; i += ${SIDE * SIDE}u) {
      let row = firstRow + i / ${DEPTH}u;
      let k = start + i % ${DEPTH}u;
      var value = 0.0;
      if (row < u.rows && k < end) { value = a[row * u.aRow + k * u.aInner]; }
      left[i] = value;
      let column = firstColumn + i % ${TILE}u;
      let below = start + i / ${TILE}u;
      value = 0.0;
      if (column < u.columns && below < end) { value = b[below * u.bInner + column * u.bColumn]; }
      right[i] = value;
    }
    workgroupBarrier();
    var sum = vec4<f32>();
    for (var k = 0u; k < ${DEPTH}u; k++) {
      let upper = left[y * ${DEPTH}u + k];
      let lower = left[(y + ${SIDE}u) * ${DEPTH}u + k];
      let near = right[k * ${TILE}u + x];
      let far = right[k * ${TILE}u + x + ${SIDE}u];
      sum += vec4<f32>(upper * near, upper * far, lower * near, lower * far);
    }
    total += sum;
    workgroupBarrier();
  }
${
      repeat(4, (i) => `
  {
    let row = firstRow + y + ${(i >> 1) * SIDE}u;
    let column = firstColumn + x + ${(i & 1) * SIDE}u;
    if (row < u.rows && column < u.columns) {
      partial[(range * u.rows + row) * u.columns + column] = total[${i}];
    }
  }`)
    }`,
  });
}
