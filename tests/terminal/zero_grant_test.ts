/**
 * Importing, choosing an engine, training and looking for engines ask for no permission: what is not granted is
 * looked up, never requested, so that nobody at a terminal is stopped by a question.
 */
import { assertEquals, assertNotEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { auditDeno } from "../support/permission_audit.ts";
import { atTerminal, runInTerminal } from "../support/pseudo_terminal.ts";

const ROOT = new URL("../../", import.meta.url);
const MAIN = new URL("src/cli/main.ts", ROOT).pathname;

/** Accesses that a program without any permission may make: none. */
const ALLOWED: readonly string[] = [];

/** A program that trains for two epochs on an engine, by default the one that `auto` takes. */
const TRAINING = `
import { buildDataLoader, fit, RecurrentVae, selectBackend, syntheticCohort } from "${ROOT}mod.ts";
await selectBackend(...Deno.args);
const cohort = syntheticCohort({ nCn: 1, nAd: 1, spatialShape: [17, 19, 17], frames: 6 });
const loader = await buildDataLoader(cohort);
const { spatialShape, frames: tolTime, subjects } = loader;
const model = new RecurrentVae({ spatialShape, tolTime }, { subjects });
const { metrics } = await fit(model, loader, { optimiser: "adamw", learningRate: 1e-3, epochs: 2 });
console.log(metrics.length + " epochs");
`;

/** What a program without any permission accesses, and what it prints. */
async function accessesOf(args: readonly string[]) {
  const { code, stdout, stderr, requests } = await auditDeno(args, ROOT);
  assertEquals(code, 0, stderr);
  const names = requests.map(({ permission, value }) => `${permission} ${value}`);
  return { stdout, accesses: names.filter((name) => !ALLOWED.includes(name)) };
}

Deno.test("the audit log shows what a program accesses without permission", async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/program.ts`;
    Deno.writeTextFileSync(file, "try { Deno.env.toObject(); } catch { /* refused */ }");
    const { requests } = await auditDeno([file], folder);
    assertEquals(requests, [{ permission: "env", value: null }]);
  });
});

Deno.test("import, selectBackend and fit access nothing that needs a permission", async (test) => {
  await inFolder(async (folder) => {
    const file = `${folder}/training.ts`;
    Deno.writeTextFileSync(file, TRAINING);
    for (const engine of [["wasm"], ["cpu"], []]) {
      await test.step(engine[0] ?? "auto", async () => {
        const { stdout, accesses } = await accessesOf(["--no-lock", file, ...engine]);
        assertStringIncludes(stdout, "2 epochs");
        assertEquals(accesses, []);
      });
    }
  });
});

Deno.test("the program's help and its look for engines access nothing that needs a permission", async () => {
  for (const args of [["--help"], ["train", "--help"], ["backends"]]) {
    const { stdout, accesses } = await accessesOf([MAIN, ...args]);
    assertNotEquals(stdout, "");
    assertEquals(accesses, [], args.join(" "));
    // What would enable an engine is said for deno task as well, which takes no flags.
    if (args[0] === "backends") {
      assertStringIncludes(stdout, '("deno task" takes no flags: use deno run)');
    }
  }
});

/** Permissions with which engines are looked for in different ways; each leaves something ungranted. */
const GRANTS = [
  "--allow-run --allow-env",
  "--allow-ffi --allow-read",
  "--allow-ffi --allow-read --allow-run=deno --allow-env=RECVAE_THREADS",
];
const MORE_GRANTS = [
  "--allow-read",
  "--allow-env",
  "--allow-run",
  "--allow-ffi",
  "--allow-read --allow-run",
  "--allow-ffi --allow-read --allow-env",
  "--allow-ffi --allow-read --allow-run --allow-env",
];

Deno.test({
  ...atTerminal("looking for engines asks no question, whichever permissions are missing"),
  async fn(test) {
    for (const grants of NIGHTLY ? [...GRANTS, ...MORE_GRANTS] : GRANTS) {
      await test.step(grants, async () => {
        const flags = ["--quiet", "--no-check", ...grants.split(" ")];
        const command = [Deno.execPath(), "run", ...flags, MAIN];
        const session = await runInTerminal([...command, "backends"], { cwd: ROOT });
        assertEquals(session.question, null, session.text);
        assertEquals(session.code, 0, session.text);
        assertStringIncludes(session.text, "* wasm");
      });
    }
  },
});

Deno.test({
  ...atTerminal("--backend auto trains without a question"),
  async fn() {
    await inFolder(async (folder) => {
      const file = `${folder}/training.ts`;
      Deno.writeTextFileSync(file, TRAINING);
      for (const flags of [[], ["--allow-ffi", "--allow-read"]]) {
        const command = [Deno.execPath(), "run", "--quiet", "--no-check", "--no-lock", ...flags];
        const session = await runInTerminal([...command, file], { cwd: ROOT });
        assertEquals(session.question, null, session.text);
        assertStringIncludes(session.text, "2 epochs");
      }
    });
  },
});
