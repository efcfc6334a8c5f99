/**
 * The TypeScript blocks of README and docs/ are programs of today's library: each is type-checked, with what the
 * text around it speaks of declared in front; the README's runs.
 */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import * as recvae from "../../mod.ts";
import { listFiles } from "../../tools/repository.ts";
import { inFolder } from "../support/folders.ts";
import { runDeno } from "../support/run_deno.ts";

const ROOT = new URL("../../", import.meta.url);
const MOD = new URL("mod.ts", ROOT).href;

/** What pages call by name without making it. */
const KNOWN: Readonly<Record<string, string>> = {
  model: "recvae.RecurrentVae",
  loader: "recvae.DataLoader",
  volumes: "recvae.NdArray",
  options: "recvae.FitOptions",
};

interface Block {
  readonly page: string;
  readonly code: string;
}

function blocks(): Block[] {
  const pages = ["README.md", ...listFiles("docs", (path) => path.endsWith(".md"))];
  return pages.flatMap((page) => {
    const text = Deno.readTextFileSync(new URL(page, ROOT));
    return Array.from(text.matchAll(/^```ts\n(.*?)^```/gms), ([, code]) => ({ page, code }));
  });
}

/** A module around a block: imports of what it uses, declarations of what it assumes. */
function moduleOf({ code }: Block): string {
  if (code.includes("import ")) return code.replaceAll('"./mod.ts"', `"${MOD}"`);
  const uses = (name: string) => new RegExp(`\\b${name}\\b`).test(code);
  const names = Object.keys(recvae).filter(uses);
  const assumed = Object.entries(KNOWN).filter(([name]) =>
    uses(name) && !new RegExp(`(const|let) ${name}\\b`).test(code)
  );
  return [
    `import { ${names.join(", ")} } from "${MOD}";`,
    `import type * as recvae from "${MOD}";`,
    ...assumed.map(([name, type]) => `declare const ${name}: ${type};`),
    code,
  ].join("\n");
}

Deno.test("the TypeScript blocks of README and docs pass the type check", async () => {
  const found = blocks();
  assert(found.length >= 3, `${found.length} blocks`);
  await inFolder(async (folder) => {
    const files = found.map((block, i) => {
      const name = `${block.page.replace(/\W/g, "_")}_${i}.ts`;
      Deno.writeTextFileSync(`${folder}/${name}`, moduleOf(block));
      return name;
    });
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--no-lock", ...files],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  });
});

Deno.test("the README's program prints what the README says", async () => {
  const block = blocks().find(({ page }) => page === "README.md");
  assert(block);
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/readme.ts`, moduleOf(block));
    const { code, stdout, stderr } = await runDeno(["--no-lock", "readme.ts"], folder);
    assertEquals(code, 0, stderr);
    const [, promised] = /console\.log\(h\.shape\); \/\/ \[([^\]]*)\]/.exec(block.code) ?? [];
    assertStringIncludes(stdout.replaceAll(/[[\]\s]/g, ""), promised.replaceAll(" ", ""));
  });
});
