/**
 * Which engines there are, which can run here, and which one is current. Engines are imported when they are
 * first asked for; one that is missing or fails is reported, never fatal to the others.
 *
 * The stock WebAssembly backend of TensorFlow.js is not listed on purpose: the gradients of its conv3d are
 * wrong (the input gradient always, the filter gradient with stride 2), so nothing trained on it is right.
 */
import { BackendError, ConfigError } from "../base/errors.ts";
import { denoVersionProblem } from "../deps/deno_version.ts";
import { checkOptions, integer, record } from "../base/fields.ts";
import { tf } from "../deps/tfjs.ts";
import { currentEngine, setCurrentEngine } from "./current_engine.ts";
import { explainDevice } from "./device_names.ts";
import type {
  ActiveEngine,
  BackendChoice,
  BackendName,
  Engine,
  EngineOptions,
  ProbeResult,
} from "./engine.ts";
import { messageOf, probeEngine } from "./probing.ts";

/** Loads each engine; the order is the order of listing. */
const LOADERS: Readonly<Record<BackendName, () => Promise<Engine>>> = {
  cuda: async () => (await import("./tensorflow/mod.ts")).cudaEngine,
  tensorflow: async () => (await import("./tensorflow/mod.ts")).engine,
  webgpu: async () => (await import("./webgpu/mod.ts")).engine,
  wasm: async () => (await import("./wasm/mod.ts")).engine,
  cpu: async () => (await import("./cpu/mod.ts")).engine,
  reference: async () => (await import("./reference/mod.ts")).engine,
};

/** Names of all engines. */
export const BACKEND_NAMES = Object.keys(LOADERS) as readonly BackendName[];

/** What `auto` tries, in this order. */
const AUTOMATIC: readonly BackendName[] = ["cuda", "webgpu", "wasm", "cpu"];

/**
 * Engines that cannot be started once another one has run in the same process, with the reason. The other
 * order works.
 */
const CLASHES: Partial<Record<BackendName, { readonly after: BackendName; readonly why: string }>> =
  {
    tensorflow: { after: "webgpu", why: "TensorFlow and Mesa's GPU drivers each bring an LLVM" },
    cuda: { after: "webgpu", why: "TensorFlow and Mesa's GPU drivers each bring an LLVM" },
  };

/** Options there are; a wrong one must not cost the engine that runs. */
const ENGINE_OPTIONS = record<EngineOptions>({ threads: integer({ least: 1 }) });

/** Engines that have run in this process, stopped or not. */
const seen = new Set<BackendName>();

/** Engines that run, by name. */
const started = new Map<BackendName, { engine: ActiveEngine; threads: number | undefined }>();

/**
 * Chooses the engine that computes from now on. Tensors of an engine selected earlier stay valid; it runs
 * on until its `stop` is called.
 *
 * @param choice A name, or `"auto"`: CUDA, else a hardware WebGPU adapter, else wasm, else cpu.
 * @param options Options of starting it.
 * @throws {ConfigError} for a name that does not exist.
 * @throws {BackendError} when the engine asked for cannot be started, or Deno is too old.
 *
 * @example Let the machine decide.
 * ```ts ignore
 * const engine = await selectBackend();
 * console.log(engine.name, engine.detail);
 * ```
 */
export async function selectBackend(
  choice: BackendChoice = "auto",
  options: EngineOptions = {},
): Promise<ActiveEngine> {
  const problem = denoVersionProblem();
  if (problem !== null) throw new BackendError(choice, `Cannot start an engine: ${problem}`);
  checkOptions(options, ENGINE_OPTIONS, { doing: "Cannot choose an engine" });
  if (choice !== "auto") return await activate(checkedName(choice), options);
  const failures: string[] = [];
  for (const name of AUTOMATIC) {
    const probe = await probeBackend(name);
    if (!probe.available || !probe.automatic) continue;
    try {
      return await activate(name, options);
    } catch (error) {
      failures.push(`${name}: ${messageOf(error)}`);
    }
  }
  throw new BackendError(
    "auto",
    `Cannot choose an engine: none of ${AUTOMATIC.join(", ")} could be started (${
      failures.join("; ")
    }); run "recvae backends" for details`,
  );
}

/** Probes every engine, all at once; results in the order of {@link BACKEND_NAMES}; never throws. */
export function probeBackends(): Promise<ProbeResult[]> {
  return Promise.all(BACKEND_NAMES.map((name) => probeBackend(name)));
}

/**
 * Probes one engine; a failure or a probe that hangs is a result like any other.
 *
 * @param name Its name.
 * @throws {ConfigError} for a name that does not exist.
 */
export function probeBackend(name: BackendName): Promise<ProbeResult> {
  return probeEngine(name, LOADERS[checkedName(name)]);
}

async function activate(name: BackendName, options: EngineOptions): Promise<ActiveEngine> {
  const running = started.get(name);
  if (running !== undefined) {
    const sameThreads = options.threads === undefined || options.threads === running.threads ||
      options.threads === running.engine.threads;
    const usable = sameThreads && running.engine.lost?.() !== true;
    if (usable && await tf.setBackend(running.engine.tfName)) {
      setCurrentEngine(running.engine);
      return running.engine;
    }
    await running.engine.stop();
  }
  const engine = tracked(await startEngine(name, options));
  started.set(name, { engine, threads: options.threads });
  setCurrentEngine(engine);
  return engine;
}

async function startEngine(name: BackendName, options: EngineOptions): Promise<ActiveEngine> {
  const clash = CLASHES[name];
  if (clash !== undefined && seen.has(clash.after)) {
    throw new BackendError(
      name,
      `Cannot start engine ${name}: ${clash.after} has run in this process, and the process would ` +
        `crash (${clash.why}); start ${name} first, or in a process of its own`,
    );
  }
  try {
    const engine = await LOADERS[name]();
    const active = await engine.start(options);
    seen.add(name);
    return active;
  } catch (error) {
    if (error instanceof BackendError || error instanceof ConfigError) throw error;
    throw new BackendError(
      name,
      `Cannot start engine ${name}: ${messageOf(error)}; run "recvae backends" for what would help`,
    );
  }
}

/** The same engine, forgotten by this registry once it is stopped. */
function tracked(engine: ActiveEngine): ActiveEngine {
  const result: ActiveEngine = {
    name: engine.name,
    tfName: engine.tfName,
    threads: engine.threads,
    detail: engine.detail,
    frameCache: engine.frameCache,
    framesPerChunk: (request) => engine.framesPerChunk(request),
    memory: () => engine.memory(),
    lost: () => engine.lost?.() ?? false,
    async stop() {
      if (started.get(engine.name)?.engine === result) started.delete(engine.name);
      if (currentEngine() === result) setCurrentEngine(undefined);
      await engine.stop();
    },
  };
  return result;
}

function checkedName(name: string): BackendName {
  if (Object.hasOwn(LOADERS, name)) return name as BackendName;
  const explained = explainDevice(name);
  throw new ConfigError(
    "backend",
    `Choosing an engine: found "${name}", needs auto, ${BACKEND_NAMES.join(", ")}` +
      (explained ? `; ${explained}` : ""),
  );
}
