/** Asking an engine whether it can run, so that nothing it does can stop the asker. */
import type { BackendName, Engine, ProbeResult } from "./engine.ts";

/** A probe that takes longer is given up. Its answer should come within two seconds. */
const LIMIT_MS = 10_000;

/**
 * Loads and probes an engine. One that is missing, throws or gives no answer is reported as unavailable.
 *
 * @param name Its name.
 * @param load Imports it.
 * @param options `limitMs`: time after which to give up; default 10 s.
 */
export async function probeEngine(
  name: BackendName,
  load: () => Promise<Engine>,
  options: { readonly limitMs?: number } = {},
): Promise<ProbeResult> {
  const { limitMs = LIMIT_MS } = options;
  const unavailable = (hint: string): ProbeResult => ({
    name,
    available: false,
    automatic: false,
    detail: "not available",
    hint,
  });
  try {
    const probe = load().then((engine) => engine.probe());
    return await withinTime(probe, limitMs) ??
      unavailable(`the probe gave no answer within ${limitMs / 1000} s`);
  } catch (error) {
    return unavailable(messageOf(error));
  }
}

/** What was thrown, as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The value, or undefined when it does not come in time. */
async function withinTime<T>(value: Promise<T>, limitMs: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limitMs);
  });
  try {
    return await Promise.race([value, limit]);
  } finally {
    clearTimeout(timer);
  }
}
