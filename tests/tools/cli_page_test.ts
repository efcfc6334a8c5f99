/** The page about the command line says what the program says. */
import { assert } from "../../src/deps/std.ts";
import { CLI_PAGE, cliPage } from "../../tools/cli_page.ts";
import { ROOT } from "../../tools/repository.ts";

Deno.test("docs/cli.md is up to date; deno task docs:cli writes it", () => {
  assert(Deno.readTextFileSync(ROOT + CLI_PAGE) === cliPage());
});
