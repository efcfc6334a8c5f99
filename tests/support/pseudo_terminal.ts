/**
 * Runs programs at a terminal, where Deno asks for missing permissions instead of refusing them. Needs `python3`
 * (beside this file lies the program that makes the terminal) or Debian's `script`.
 */
import { shellEnvironment } from "./shell_environment.ts";

/** How a program at a terminal ended. */
export interface TerminalSession {
  /** What was shown: colours and cursor movements taken out, lines ended by `\n`. */
  readonly text: string;
  /** Exit code; null when it was stopped. */
  readonly code: number | null;
  /** The permission that was asked for (`env access`), or null: nobody answers, the program is stopped. */
  readonly question: string | null;
  /** Why it was stopped before its end. */
  readonly stopped: "question" | "shown" | "time" | null;
}

/** Options of {@link runInTerminal}. */
export interface TerminalOptions {
  readonly cwd: string | URL;
  /** Variables beside the inherited ones. */
  readonly env?: Readonly<Record<string, string>>;
  /** The program is stopped once this is shown. */
  readonly until?: RegExp;
  /** It may go on for so long even when `until` is shown before; default 0. */
  readonly untilAfterMs?: number;
  /** It is stopped after this time; default 60 s. */
  readonly limitMs?: number;
}

/** What permission prompts look like. */
const PROMPT = /Allow\? \[y\/n/;

const HELPER = new URL("./pseudo_terminal.py", import.meta.url).pathname;

/** Ways to make a terminal, the better one first: name of the program and its arguments. */
const TERMINALS: readonly [string, (command: readonly string[]) => string[]][] = [
  ["python3", (command) => [HELPER, ...command]],
  ["script", (command) => ["-qec", command.map(quoted).join(" "), "/dev/null"]],
];

/**
 * Name of a test that needs a terminal; where there is none the test is skipped and its name says why.
 *
 * @param name What is tested.
 */
export function atTerminal(name: string): { readonly name: string; readonly ignore: boolean } {
  if (findTerminal() !== null) return { name, ignore: false };
  const programs = TERMINALS.map(([program]) => program).join(" or ");
  return { name: `${name} (skipped: a terminal needs ${programs})`, ignore: true };
}

/**
 * Runs a program at a terminal of its own, typing nothing, until it ends, asks for a permission, has shown what is
 * waited for, or takes too long.
 *
 * @param command Program and arguments.
 * @param options See {@link TerminalOptions}.
 */
export async function runInTerminal(
  command: readonly string[],
  options: TerminalOptions,
): Promise<TerminalSession> {
  const [program, argumentsFor] = findTerminal()!;
  const child = new Deno.Command(program, {
    args: argumentsFor(command),
    cwd: options.cwd,
    clearEnv: true,
    env: {
      ...shellEnvironment(),
      TERM: "xterm",
      DENO_NO_UPDATE_CHECK: "1",
      DENO_NO_PROMPT: "",
      ...options.env,
    },
    // Not "null": at its end `script` types an end of file, which answers prompts.
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  let stopped: TerminalSession["stopped"] = null;
  const stop = (why: typeof stopped) => {
    if (stopped !== null) return;
    stopped = why;
    child.kill("SIGTERM");
  };
  const { until, untilAfterMs = 0, limitMs = 60_000 } = options;
  let mayStop = untilAfterMs === 0;
  const look = () => {
    const seen = plain(text);
    if (PROMPT.test(seen)) stop("question");
    else if (mayStop && until?.test(seen)) stop("shown");
  };
  const timers = [
    setTimeout(() => stop("time"), limitMs),
    setTimeout(() => {
      mayStop = true;
      look();
    }, untilAfterMs),
  ];
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    look();
  }
  const { code } = await child.status;
  timers.forEach(clearTimeout);
  await child.stdin.close().catch(() => {});
  const seen = plain(text);
  const question = PROMPT.test(seen)
    ? /requests ([a-z]+ access(?: to [^.\n]+)?)/.exec(seen)?.[1] ?? "a permission"
    : null;
  return { text: seen, code: stopped === null ? code : null, question, stopped };
}

let found: typeof TERMINALS[number] | null | undefined;

function findTerminal(): typeof TERMINALS[number] | null {
  if (Deno.build.os === "windows") return null;
  return found ??= TERMINALS.find(([name]) => {
    try {
      return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" })
        .outputSync().success;
    } catch {
      return false;
    }
  }) ?? null;
}

/** For a POSIX shell. */
function quoted(argument: string): string {
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}

function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/\x1b\[[0-9;?]*[a-zA-Z]/g, "").replaceAll(/\r\n?/g, "\n");
}
