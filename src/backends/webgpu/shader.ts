/**
 * A compute shader as the engine runs it: WGSL source whose uniform block is written from the same table
 * that types the values passed at each call, so that the two cannot disagree.
 *
 * Bindings are the storage buffers in order, then the uniform block. Work is a plain number of workgroups,
 * which a body sees as `block`, although the grid is two-dimensional (a side holds 65,535 workgroups at
 * most). The grid may be a few workgroups larger than asked for: bodies compare with their amount of work.
 */

/** Type of a uniform. */
export type FieldType = "u32" | "i32" | "f32";

/** The uniform block: names and types, in order. */
export type Fields = Readonly<Record<string, FieldType>>;

/** Values for a uniform block. */
export type FieldValues<F extends Fields> = { readonly [Name in keyof F]: number };

/** A shader, not yet compiled. */
export interface Shader<F extends Fields = Fields> {
  /** Names the pipeline in error messages; also the cache key, so it must tell variants apart. */
  readonly label: string;
  readonly fields: F;
  /** Writes the WGSL; called once per device. */
  source(): string;
}

/** What {@link makeShader} composes. */
export interface ShaderParts<F extends Fields> {
  readonly label: string;
  readonly fields: F;
  /** Storage buffers in binding order, `name: [element type, access]`. */
  readonly buffers: Readonly<Record<string, readonly [element: string, access: "read" | "write"]>>;
  readonly workgroupSize: number;
  /** Constants, functions and workgroup variables. */
  readonly declarations?: string;
  /** Body of the entry point; sees `lane` (invocation in the workgroup), `block` (workgroup) and `u`. */
  body(): string;
}

/**
 * Puts declarations, bindings and the entry point around a body.
 *
 * @param parts See {@link ShaderParts}.
 */
export function makeShader<F extends Fields>(parts: ShaderParts<F>): Shader<F> {
  return { label: parts.label, fields: parts.fields, source: () => sourceOf(parts) };
}

function sourceOf(parts: ShaderParts<Fields>): string {
  const members = Object.entries(parts.fields).map(([name, type]) => `  ${name}: ${type},`);
  const bindings = Object.entries(parts.buffers).map(([name, [element, access]], i) =>
    `@group(0) @binding(${i}) var<storage, ${access === "read" ? "read" : "read_write"}> ` +
    `${name}: array<${element}>;`
  );
  return `
struct Uniforms {
${members.join("\n")}
}
${bindings.join("\n")}
@group(0) @binding(${bindings.length}) var<uniform> u: Uniforms;
${parts.declarations ?? ""}
@compute @workgroup_size(${parts.workgroupSize})
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = group.y * groups.x + group.x;
${parts.body()}
}
`;
}

/**
 * Lays out values for the uniform block (all members are 4 bytes, so no padding occurs between them).
 *
 * @returns Bytes, a multiple of 16.
 */
export function packUniforms<F extends Fields>(fields: F, values: FieldValues<F>): ArrayBuffer {
  const names = Object.keys(fields);
  const bytes = new ArrayBuffer(Math.max(16, Math.ceil(names.length / 4) * 16));
  const view = new DataView(bytes);
  names.forEach((name, i) => {
    const value = values[name];
    if (fields[name] === "f32") view.setFloat32(4 * i, value, true);
    else if (fields[name] === "i32") view.setInt32(4 * i, value, true);
    else view.setUint32(4 * i, value, true);
  });
  return bytes;
}

/**
 * WGSL for a vector of `width` floats.
 *
 * @param width 1, 2 or 4.
 */
export function floats(width: number): string {
  return width === 1 ? "f32" : `vec${width}<f32>`;
}

/**
 * Joins generated lines.
 *
 * @param count Number of lines.
 * @param line Gives line i.
 */
export function repeat(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}
