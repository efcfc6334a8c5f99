/** The first command of the README, at a terminal: trains to the end and asks nothing. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";
import { atTerminal, runInTerminal } from "../support/pseudo_terminal.ts";

Deno.test({
  ...atTerminal("deno task train ends with its summary, without a question"),
  async fn() {
    const out = `runs/terminal-test-${crypto.randomUUID().slice(0, 8)}`;
    const command = [Deno.execPath(), "task", "train", "--epochs", "2", "--out", out];
    try {
      const { question, code, text } = await runInTerminal(command, { cwd: ROOT });
      assertEquals(question, null, text);
      assertEquals(code, 0, text);
      assertStringIncludes(text, "2 of 2 epochs");
      assert(Deno.statSync(`${ROOT}${out}/report.html`).isFile);
    } finally {
      await Deno.remove(ROOT + out, { recursive: true }).catch(() => {});
    }
  },
});
