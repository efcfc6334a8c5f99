/**
 * docs/cli.md, made from the tables that parse the command line, so that it cannot say anything else.
 *
 * Run with: deno task docs:cli
 */
import { COMMANDS } from "../src/cli/commands.ts";
import { commandHelp, programHelp } from "../src/cli/command.ts";
import { ROOT } from "./repository.ts";

/** Where the page lies, from the repository root. */
export const CLI_PAGE = "docs/cli.md";

/** The page as Markdown. */
export function cliPage(): string {
  const block = (text: string) => "```text\n" + text.trimEnd() + "\n```\n";
  return [
    "# The command line\n",
    "Made from the program's own help by `deno task docs:cli`.\n",
    "`recvae` below stands for one of\n",
    "```sh",
    "deno task recvae …                      # in a copy of the repository; may read, and write below the current folder",
    "deno run --allow-read --allow-write=runs src/cli/main.ts …   # with exactly the permissions you give",
    "```\n",
    "With a permission missing, a command says which flag would give it. `--allow-env=RECVAE_BACKEND,RECVAE_THREADS` lets " +
    "those two variables choose engine and threads; `--allow-ffi --allow-run` lets `--backend auto` look for CUDA.\n",
    block(programHelp(COMMANDS)),
    ...COMMANDS.map((command) => `## ${command.name}\n\n${block(commandHelp(command))}`),
  ].join("\n");
}

if (import.meta.main) Deno.writeTextFileSync(ROOT + CLI_PAGE, cliPage());
