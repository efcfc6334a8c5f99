/**
 * The layer table of docs/architecture.md as code, and the question it answers: may this file import that one?
 */

/** One import: both ends as paths from the repository root, `to` also as `npm:…` or `node:…`. */
export interface Import {
  readonly from: string;
  readonly to: string;
}

/** Layer of each room; a model is `models/<name>`, a family's pipeline `pipelines/<name>`. */
const LAYER: Record<string, number> = {
  base: 0,
  deps: 0,
  formats: 1,
  linalg: 1,
  files: 1,
  backends: 1,
  ops: 2,
  losses: 2,
  data: 2,
  evaluation: 2,
  reports: 2,
  parameters: 3,
  networks: 3,
  training: 3,
  models: 4,
  pipelines: 5,
  cli: 6,
};

/** Imports between rooms of one layer that are allowed. */
const SAME_LAYER = new Set([
  "files>formats",
  "backends>files",
  "losses>ops",
  "networks>parameters",
  "training>parameters",
]);

/** Imports that the layers would allow and that are forbidden all the same. */
const FORBIDDEN = new Map([
  ["base>deps", "base imports nothing but itself"],
  ["models>data", "a model is given frames, it does not read them"],
]);

/** The table of families: the only general file that imports families, and none of theirs. */
const FAMILY_TABLE = "src/pipelines/families.ts";

/** Rooms that must not reach the tensor library. */
const WITHOUT_TENSORS = new Set(["base", "formats", "files", "linalg", "reports"]);

/** The wrapper of the tensor library. */
const TENSOR_LIBRARY = "src/deps/tfjs.ts";

/**
 * The room of a source file: `"ops"`, `"models/recurrent_vae"`; null outside src.
 *
 * @param path Path from the repository root.
 */
export function roomOf(path: string): string | null {
  const parts = path.split("/");
  if (parts[0] !== "src" || parts.length < 3) return null;
  const hasRooms = parts[1] === "models" || (parts[1] === "pipelines" && parts.length > 3);
  return hasRooms ? `${parts[1]}/${parts[2]}` : parts[1];
}

/**
 * Says why an import breaks the layers, or null when it keeps them.
 *
 * @param edge Both ends as paths from the repository root.
 */
export function layerProblem(edge: Import): string | null {
  const fromRoom = roomOf(edge.from);
  const toRoom = roomOf(edge.to);
  const complain = (why: string) => `${edge.from} imports ${edge.to}: ${why}`;
  if (fromRoom === null) {
    return edge.from === "mod.ts" && toRoom === "cli"
      ? complain("mod.ts is the library, the command line is ./cli")
      : null;
  }
  const from = fromRoom.split("/")[0];
  if (!(from in LAYER)) return complain(`room ${from} is not in the layer table`);
  if (/^(npm|node|jsr|https?):/.test(edge.to)) {
    return from === "deps" ? null : complain("external packages enter through src/deps");
  }
  if (toRoom === null) {
    return edge.to.startsWith("wasm/dist/") && from === "backends"
      ? null
      : complain("library code imports library code only");
  }
  const to = toRoom.split("/")[0];
  if (!(to in LAYER)) return complain(`room ${to} is not in the layer table`);
  if (edge.to === TENSOR_LIBRARY && WITHOUT_TENSORS.has(from)) {
    return complain(`${from} never sees the tensor library`);
  }
  if (fromRoom === toRoom) return null;
  if (from === "models" && to === "models") return complain("a model never imports another model");
  if (to === "models" && fromRoom !== toRoom.replace("models/", "pipelines/")) {
    return complain("only the pipeline of a family imports its model");
  }
  if (from === "pipelines" && to === "pipelines") return pipelineProblem(edge, complain);
  const forbidden = FORBIDDEN.get(`${from}>${to}`);
  if (forbidden) return complain(forbidden);
  if (to === "deps" && from !== "base") return null;
  if (LAYER[to] < LAYER[from] || SAME_LAYER.has(`${from}>${to}`)) return null;
  return complain(`layer ${LAYER[from]} (${from}) may not import layer ${LAYER[to]} (${to})`);
}

/** Families know the contract, the table knows the families, and no family knows another. */
function pipelineProblem(edge: Import, complain: (why: string) => string): string | null {
  const [fromFamily, toFamily] = [edge.from, edge.to].map((path) => roomOf(path)!.includes("/"));
  if (fromFamily && toFamily) return complain("a family never imports another family");
  if (toFamily && edge.from !== FAMILY_TABLE) {
    return complain(`only ${FAMILY_TABLE} imports families`);
  }
  if (fromFamily && edge.to === FAMILY_TABLE) return complain("a family does not know the table");
  return null;
}

/**
 * Finds the first cycle among the rooms that files import each other in, e.g. `["ops", "losses", "ops"]`.
 *
 * @param edges All imports.
 * @returns The rooms on the cycle, first repeated at the end; null without one.
 */
export function roomCycle(edges: readonly Import[]): string[] | null {
  const next = new Map<string, Set<string>>();
  for (const edge of edges) {
    const from = roomOf(edge.from);
    const to = roomOf(edge.to);
    if (!from || !to || from === to || edge.from === FAMILY_TABLE) continue;
    if (!next.has(from)) next.set(from, new Set());
    next.get(from)!.add(to);
  }
  const done = new Set<string>();
  const visit = (room: string, trail: string[]): string[] | null => {
    if (trail.includes(room)) return [...trail.slice(trail.indexOf(room)), room];
    if (done.has(room)) return null;
    for (const to of next.get(room) ?? []) {
      const cycle = visit(to, [...trail, room]);
      if (cycle) return cycle;
    }
    done.add(room);
    return null;
  };
  for (const room of next.keys()) {
    const cycle = visit(room, []);
    if (cycle) return cycle;
  }
  return null;
}
