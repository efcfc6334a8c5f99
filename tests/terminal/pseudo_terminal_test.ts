/** The pseudo-terminal that the tests beside this one rely on: it shows what a person would see. */
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { atTerminal, runInTerminal } from "../support/pseudo_terminal.ts";

Deno.test({
  ...atTerminal("a program that asks for a permission is seen and stopped"),
  async fn() {
    await inFolder(async (folder) => {
      Deno.writeTextFileSync(`${folder}/asks.ts`, 'Deno.env.get("SOME_VARIABLE");');
      const command = [Deno.execPath(), "run", "asks.ts"];
      const { question, code, stopped } = await runInTerminal(command, { cwd: folder });
      assertEquals(question, 'env access to "SOME_VARIABLE"');
      assertEquals([code, stopped], [null, "question"]);
    });
  },
});

Deno.test({
  ...atTerminal("a program at a terminal knows that it is, and its exit code comes back"),
  async fn() {
    const program = "console.log([Deno.stdin, Deno.stderr].map((at) => at.isTerminal()).join());" +
      "Deno.exit(7)";
    const command = [Deno.execPath(), "eval", program];
    const { text, code, stopped } = await runInTerminal(command, { cwd: "." });
    assertStringIncludes(text, "true,true");
    assertEquals([code, stopped], [7, null]);
  },
});

Deno.test({
  ...atTerminal("a program is stopped once it has shown enough, or after its time"),
  async fn() {
    const program = 'console.log("begun"); setTimeout(() => {}, 60_000)';
    const command = [Deno.execPath(), "eval", program];
    const shown = await runInTerminal(command, { cwd: ".", until: /begun/ });
    assertEquals([shown.code, shown.stopped], [null, "shown"]);
    const late = await runInTerminal(command, { cwd: ".", until: /never/, limitMs: 1000 });
    assertEquals([late.code, late.stopped], [null, "time"]);
  },
});
