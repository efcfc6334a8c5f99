/**
 * The environment of a person's shell: that of the tests without the variable by which the task that runs them
 * tells where it was started, which a task inside would take for its own.
 */
export function shellEnvironment(): Record<string, string> {
  const { INIT_CWD: _, ...inherited } = Deno.env.toObject();
  return inherited;
}
