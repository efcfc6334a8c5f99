/**
 * Every command that README, docs and examples show asks no question at a terminal: run with exactly the flags
 * shown, in a copy of the project. Tests, measurements, installers and what needs a GPU are not run, their
 * permissions are looked at. Without RECVAE_NIGHTLY=1 the README's commands and one example are run.
 */
import { assert, assertEquals, assertNotEquals } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";
import { inFolder } from "../support/folders.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { atTerminal, runInTerminal } from "../support/pseudo_terminal.ts";
import { type ScratchProject, scratchProject, TRAINED_RUN } from "../support/scratch_project.ts";
import { type ShownCommand, shownCommands } from "../support/shown_commands.ts";

/** Commands that are not run here. */
const NOT_RUN: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "tests, covered by being run", pattern: /^deno (task (ok|test|golden)|test)\b/ },
  { what: "measurements", pattern: /^deno task bench\b/ },
  { what: "checks and builds", pattern: /^deno (task (check|build|docs):|check|lint|fmt|doc)/ },
  { what: "installers", pattern: /\b(install|install-tensorflow|uninstall)\b|^python3? -m venv\b/ },
  { what: "getting the project", pattern: /^(git|cd)\b/ },
  { what: "Python's own programs", pattern: /^python3? / },
];

/** The sample that is always run. */
const SAMPLE = /^(README\.md|examples\/quick_start\.ts)$/;

/** A command gets so long, then it is stopped as soon as it has shown progress. */
const ENOUGH_MS = NIGHTLY ? 30_000 : 5_000;
const LIMIT_MS = 180_000;
const PROGRESS = /epoch \d+/i;

/** The command as it is run here, in a folder of scans of its own: pages write `npx … deno@VERSION` or `recvae` for what `deno` starts here. */
function runnable(line: string): string {
  const folders = ["scans/cn", "scans/ad"];
  return line
    .replace(/^npx (--yes )?deno@[\d.]+ /, "deno ")
    .replace(/^recvae /, "deno task recvae ")
    .replaceAll(/\bDIR\b/g, () => folders.shift()!)
    .replace(/--data-root \/\S+/, "--data-root scans")
    .replace(/ …$/, " train --epochs 2");
}

const COMMANDS = shownCommands().map((shown) => ({ ...shown, line: runnable(shown.line) }))
  .filter(({ line }, i, all) => all.findIndex((other) => other.line === line) === i);
const isRun = ({ line }: ShownCommand) => !NOT_RUN.some(({ pattern }) => pattern.test(line));

Deno.test("pages show commands, and each of them is either run here or of a kind that is not", () => {
  assert(COMMANDS.length > 40, `${COMMANDS.length} commands`);
  for (const { page, line } of COMMANDS.filter(isRun)) {
    assert(/^(for .*; do )?deno (task|run) /.test(line), `${page}: nothing here runs "${line}"`);
  }
});

Deno.test("the commands that are not run here ask for single permissions", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  for (const { page, line } of COMMANDS.filter((command) => !isRun(command))) {
    const task = /^deno task (\S+)/.exec(line)?.[1];
    const command = task === undefined ? line : tasks[task]?.command ?? tasks[task];
    assertNotEquals(command, undefined, `${page}: no task "${task}"`);
    assertEquals(/ (-A|--allow-all)\b/.test(command), false, `${page}: ${line}`);
    const starts = /\bdeno (run|test|install)\b(?!.*\s--help)/.test(command);
    const needsNone = /\binstall\b/.test(line) && !/ --global | -g /.test(line);
    if (starts && !needsNone) assert(/ --allow-/.test(command), `${page}: ${line}`);
  }
});

Deno.test({
  ...atTerminal(`shown commands ask no question${NIGHTLY ? "" : " (README and one example)"}`),
  async fn(test) {
    await inFolder(async (folder) => {
      const project = await scratchProject(await Deno.realPath(folder));
      for (const command of COMMANDS.filter(isRun)) {
        if (!NIGHTLY && !SAMPLE.test(command.page)) continue;
        await test.step(`${command.page}: ${command.line}`, () => runShown(project, command));
      }
    });
  },
});

async function runShown({ folder, reset }: ScratchProject, { line }: ShownCommand): Promise<void> {
  reset(line.includes(TRAINED_RUN) && !line.includes(`--out ${TRAINED_RUN}`));
  const deno = Deno.execPath();
  const path = `${deno.slice(0, deno.lastIndexOf("/"))}:${Deno.env.get("PATH")}`;
  const { question, stopped, code, text } = await runInTerminal(["sh", "-c", line], {
    cwd: folder,
    env: { PATH: path },
    until: PROGRESS,
    untilAfterMs: ENOUGH_MS,
    limitMs: LIMIT_MS,
  });
  assertEquals(question, null, text);
  assert(code === 0 || stopped === "shown", `ended with ${code ?? stopped}: ${text}`);
}
