/** The engine in use: the one global of the library, so that a model reaches its engine without knowing the registry. */
import type { ActiveEngine } from "./engine.ts";

let current: ActiveEngine | undefined;

/** The engine chosen by the last `selectBackend`, or undefined before the first and after its stop. */
export function currentEngine(): ActiveEngine | undefined {
  return current;
}

/**
 * Makes an engine the current one.
 *
 * @param engine Started; undefined: none.
 */
export function setCurrentEngine(engine: ActiveEngine | undefined): void {
  current = engine;
}
