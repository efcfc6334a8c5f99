/** What machine this is. */
import { cpus } from "node:os";

/** The processor's own name, e.g. `"AMD EPYC"`, and the number of logical cores. Needs `--allow-sys=cpus`. */
export function describeProcessor(): { readonly model: string; readonly cores: number } {
  const all = cpus();
  return { model: all[0]?.model.trim() || "unknown processor", cores: all.length };
}
