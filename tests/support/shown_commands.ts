/** The commands that README, docs and examples show. */
import { ROOT } from "../../tools/repository.ts";

/** A command as a page shows it. */
export interface ShownCommand {
  /** `"docs/data.md"`. */
  readonly page: string;
  /** Without the remark behind it: `"recvae train --data DIR"`. */
  readonly line: string;
}

/** Every command of the pages' shell blocks, of the examples in the program's help, and of the examples' heads. */
export function shownCommands(): ShownCommand[] {
  const pages = ["README.md", ...filesBelow("docs"), ...filesBelow("examples")].sort();
  return pages.flatMap((page) => {
    const text = Deno.readTextFileSync(ROOT + page);
    const lines = page.endsWith(".md") ? commandsOf(text) : headCommands(text);
    return lines.map((line) => ({ page, line }));
  });
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(ROOT + folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  ).filter((path) => /\.(md|ts|py)$/.test(path));
}

/** Shell blocks, and the lines below "Examples:" of the program's help. */
function commandsOf(markdown: string): string[] {
  const shell = blocks(markdown, "sh").flatMap((block) => block.replaceAll("\\\n", "").split("\n"));
  const help = blocks(markdown, "text").flatMap((block) =>
    [...block.matchAll(/^ {2}(recvae .*)$/gm)].map(([, line]) => line)
  );
  return [...shell, ...help].map(withoutRemark).filter((line) => line !== "");
}

function blocks(markdown: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms");
  return [...markdown.matchAll(fence)].map(([, block]) => block);
}

function withoutRemark(line: string): string {
  return line.replace(/(^|\s)#.*$/, "").trim();
}

/** `Run with: COMMAND` in a TypeScript head comment, an indented `python FILE …` in Python's. */
function headCommands(source: string): string[] {
  const [, command] = /Run with: ([^\n(]*)/.exec(source) ?? /^ {4}(python .*)$/m.exec(source) ?? [];
  return command === undefined ? [] : [command.trim()];
}
