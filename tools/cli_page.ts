/**
 * docs/cli.md, made from the tables that parse the command line, so that it cannot say anything else.
 *
 * Run with: deno task docs:cli
 */
import { allCommands } from "../src/cli/commands.ts";
import { type Command, commandHelp, programHelp } from "../src/cli/command.ts";
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
    "`recvae train` needs to read the scans and to write the run's folder: `--allow-read=scans --allow-write=runs/first` " +
    "trains on `scans`. Without scans it reads those of the project, `--allow-read=PROJECT/data`. Reading the run's " +
    "folder as well, `--allow-read=scans,runs`, is needed\n",
    "- when it exists already, for `--force` and `--resume`, and by the commands that use a run;\n" +
    "- to write files aside and rename them, so that a crash leaves none in parts: Deno renames only what it may read, and " +
    "without that files are written in place;\n" +
    "- to inflate `.nii.gz` scans that do not fit in `--memory`: with `--allow-write` for single folders the copies lie in " +
    "these, otherwise in the system's folder for temporary files.\n",
    "With a permission missing, a command says which flag would give it; at a terminal Deno first " +
    "asks whether to grant it (`--no-prompt` leaves that out). `--allow-env=RECVAE_BACKEND,RECVAE_THREADS` lets " +
    "those two variables choose engine and threads; `--allow-ffi --allow-read --allow-env` lets `--backend auto` look for CUDA, " +
    "with `--allow-run` in a process of its own.\n",
    block(programHelp(allCommands())),
    ...allCommands().flatMap(pagesOf).map(([title, command]) =>
      `${title}\n\n${block(commandHelp(command))}`
    ),
  ].join("\n");
}

/** A command's page, and those of the families that are not meant when none is named. */
function pagesOf(command: Command): (readonly [title: string, Command])[] {
  const { name, families = [] } = command;
  const others = families.slice(1);
  return [
    [`## ${name}`, command],
    ...others.map(({ family, command }) => [`### ${name} ${family}`, command] as const),
  ];
}

if (import.meta.main) Deno.writeTextFileSync(ROOT + CLI_PAGE, cliPage());
